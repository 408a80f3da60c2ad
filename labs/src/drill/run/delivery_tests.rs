//! What a change takes to be delivered is seen at a target that runs, and not at its start.

use std::time::Duration;

use tokio::time::sleep;

use super::controls_tests::{SETTING, drilled};
use super::wished_tests::{Wished, address, settings, started};
use crate::drill::exhibit::Exhibit;
use crate::drill::planted::Fault;
use crate::drill::stage::{Manner, Stage};

#[tokio::test]
async fn a_slow_start_allows_no_longer_exposure() {
    let exhibit = Exhibit::set_up(Fault::None, SETTING).unwrap();
    let drill = exhibit.drill();
    let taken = Stage::take(drill, false, Manner::default(), None).await;
    let mut stage = taken.unwrap();
    let settings = settings(drill);
    let late = async {
        sleep(Duration::from_secs(1)).await;
        started(Fault::None, &settings, address(drill)).await
    };
    let (begun, _service) = tokio::join!(stage.begin(), late);
    begun.unwrap();
    assert_eq!(stage.delivery(), Duration::from_millis(500));
    stage.reset().await.unwrap();
    // And what was seen while it ran counts.
    assert!(stage.delivery() > Duration::from_millis(500));
    stage.close().await.unwrap();
}

#[tokio::test]
async fn a_row_says_what_is_allowed_for_the_delivery() {
    let exhibit = Exhibit::set_up(Fault::None, SETTING).unwrap();
    let keeper = Wished::new(exhibit.drill(), Fault::RevokedLeafEstablished, |_| {});
    let word = "revoked-leaf-established";
    let report = drilled(exhibit.drill(), &[word], Some(Box::new(keeper))).await;
    let row = report.rows.iter().find(|row| row.word == word).unwrap();
    assert!(row.says.contains("2000 ms demanded and "), "{row:#?}");
}
