//! Words of the drill, as they are typed.

use super::*;

#[test]
fn what_was_asked_wrongly_is_told_apart_from_what_went_wrong() {
    let exit = |error: RunError| stopped(&error).exit();
    let word = "leef-swap".to_owned();
    let meant = Some("leaf-swap");
    assert_eq!(exit(RunError::UnknownCase { word, meant }), Exit::BadInput);
    assert_eq!(exit(RunError::NoUpstream), Exit::BadInput);
    let elsewhere = RunError::NotLoopback("orders.example:8443".to_owned());
    let said = stopped(&elsewhere).to_string();
    assert!(said.contains("`--disrupt`"), "{said}");
    let begin = |why| exit(RunError::Begin(why));
    let foreign = StageError::Place(PlaceError::Foreign {
        at: "drill.toml:7".to_owned(),
        path: "tls.key".into(),
    });
    assert_eq!(begin(foreign), Exit::BadInput);
    assert_eq!(
        begin(StageError::Place(PlaceError::Interrupted)),
        Exit::BadInput
    );
    assert_eq!(begin(StageError::Restart("gone".to_owned())), Exit::Unknown);
}

#[test]
fn a_file_that_is_not_there_leads_to_init() {
    let which = Which {
        file: "no-such-drill.toml".into(),
    };
    let said = which.read().unwrap_err();
    assert_eq!(said.exit(), Exit::BadInput);
    assert!(said.to_string().contains("`schism drill init`"), "{said}");
}
