//! A door that closes connections for reasons of its own, whoever called: at an age, or now and
//! then one. No such end is a word about the caller.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::controls_tests::{SETTING, drilled};
use super::wished_tests::{address, settings, started};
use crate::drill::answer::Answer;
use crate::drill::exhibit::Exhibit;
use crate::drill::planted::Fault;
use crate::drill::stage::{Manner, Signer, Stage, Until};

/// Older than this no connection becomes.
const AGE: Duration = Duration::from_millis(1_500);

async fn aged(at: SocketAddr, to: SocketAddr) {
    let listener = TcpListener::bind(at).await.unwrap();
    loop {
        let (mut here, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let mut there = TcpStream::connect(to).await.unwrap();
            timeout(AGE, copy_bidirectional(&mut here, &mut there))
                .await
                .ok();
        });
    }
}

#[tokio::test]
async fn a_connection_that_ends_for_everybody_shows_no_refusal() {
    for (fault, word) in [
        (Fault::RevokedLeafEstablished, "revoked-leaf-established"),
        (Fault::RevokedLeafOpenStream, "revoked-leaf-open-stream"),
    ] {
        let exhibit = Exhibit::set_up(Fault::None, SETTING).unwrap();
        let drill = exhibit.drill();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let bad = started(fault, &settings(drill), any).await;
        let proxy = tokio::spawn(aged(address(drill), bad.address()));
        let report = drilled(drill, &[word], None).await;
        proxy.abort();
        let row = report.rows.iter().find(|row| row.word == word).unwrap();
        assert_eq!(row.answer, Answer::CannotJudge, "{row:#?}");
        assert!(row.says.contains("a good caller's own ended"), "{row:#?}");
    }
}

/// Shuts the door on so many callers, and hands the others on.
async fn blinking(at: SocketAddr, to: SocketAddr, shut: Arc<AtomicU32>) {
    let listener = TcpListener::bind(at).await.unwrap();
    loop {
        let (mut here, _) = listener.accept().await.unwrap();
        let less = |left: u32| left.checked_sub(1);
        if shut
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
            .is_ok()
        {
            continue;
        }
        tokio::spawn(async move {
            let mut there = TcpStream::connect(to).await.unwrap();
            copy_bidirectional(&mut here, &mut there).await.ok();
        });
    }
}

#[tokio::test]
async fn what_is_doubtful_is_asked_again_before_it_counts() {
    let exhibit = Exhibit::set_up(Fault::None, SETTING).unwrap();
    let drill = exhibit.drill();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let service = started(Fault::None, &settings(drill), any).await;
    let shut = Arc::new(AtomicU32::new(0));
    let door = blinking(address(drill), service.address(), Arc::clone(&shut));
    let door = tokio::spawn(door);
    let taken = Stage::take(drill, false, Manner::default(), None).await;
    let mut stage = taken.unwrap();
    stage.begin().await.unwrap();
    let good = stage.caller(Signer::Old).unwrap();
    stage.good_is_served(&good).await.unwrap();
    for (times, counts) in [(2, false), (3, true)] {
        shut.store(times, Ordering::SeqCst);
        let met = stage
            .meet_throughout(&good, Until::Served, Duration::ZERO)
            .await;
        assert_eq!(met.unwrap().is_some(), counts, "{times}");
    }
    door.abort();
    stage.close().await.unwrap();
}
