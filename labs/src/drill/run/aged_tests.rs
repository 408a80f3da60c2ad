//! A target that closes every connection at an age, whoever called: no end there is a refusal.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::controls_tests::{SETTING, drilled};
use super::wished_tests::{address, settings, started};
use crate::drill::answer::Answer;
use crate::drill::exhibit::Exhibit;
use crate::drill::planted::Fault;

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
