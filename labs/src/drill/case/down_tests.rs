//! A target that is down refuses nobody, whatever its silence looks like.

use std::time::Duration;

use tokio::net::TcpListener;

use super::{hostile, odd, recovery};
use crate::drill::answer::Answer;
use crate::drill::exhibit::{Exhibit, Setting};
use crate::drill::planted::Fault;
use crate::drill::stage::{Manner, Signer, Stage};

async fn at(exhibit: &Exhibit) -> Stage {
    let manner = Manner {
        step: Duration::from_millis(20),
        ..Manner::default()
    };
    let mut stage = Stage::take(exhibit.drill(), false, manner, None)
        .await
        .unwrap();
    stage.begin().await.unwrap();
    stage
}

fn exhibit() -> Exhibit {
    let setting = Setting {
        settle: Duration::from_millis(300),
        demand: Duration::from_millis(300),
        serves_keys: false,
        is_client: false,
    };
    Exhibit::set_up(Fault::None, setting).unwrap()
}

#[tokio::test]
async fn a_door_that_is_shut_on_everybody_refuses_nobody() {
    let exhibit = exhibit();
    let address = exhibit.drill().target.address.to_string();
    let listener = TcpListener::bind(&address).await.unwrap();
    let shut = tokio::spawn(async move {
        loop {
            drop(listener.accept().await);
        }
    });
    let mut stage = at(&exhibit).await;
    let caller = stage.caller(Signer::Stranger).unwrap();
    let told = odd::refused(&stage, "wrong-name", "a stranger", &caller).await;
    let told = told.unwrap();
    assert_eq!(told.answer, Answer::CannotJudge, "{told:?}");
    assert!(
        told.says.contains("a good caller is not served"),
        "{told:?}"
    );
    let told = hostile::leaf_signs_leaf(&mut stage).await.unwrap();
    assert_eq!(told.answer, Answer::CannotJudge, "{told:?}");
    assert!(
        told.says.contains("a lawful chain of that length"),
        "{told:?}"
    );
    shut.abort();
    stage.close().await.unwrap();
}

#[tokio::test]
async fn a_target_that_is_down_does_not_pass_without_roots() {
    let exhibit = exhibit();
    let mut stage = at(&exhibit).await;
    let told = recovery::empty_trust(&mut stage).await.unwrap();
    assert_eq!(told[0].answer, Answer::CannotJudge, "{told:?}");
    stage.close().await.unwrap();
}
