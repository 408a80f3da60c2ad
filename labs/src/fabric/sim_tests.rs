//! Claims about the simulated fabric itself: what a node's end is, for its disk and its peers.

use std::sync::Mutex;

use ca::disk::Disk as _;
use tokio::io::AsyncReadExt as _;

use super::*;

/// What is left of one unsynced write after each of twenty power cuts of a node.
fn torn(seed: u64) -> Vec<usize> {
    let mut world = SimFabric::new(seed, Without::Nothing);
    let disk = world.place("n").disk;
    world.host("n", || async { std::future::pending().await });
    let mut left = Vec::new();
    for _ in 0..20 {
        disk.replace("log", b"").expect("the power is on");
        let file = disk.open("log").expect("the power is on");
        file.write_at(0, &[7; 5_000]).expect("the power is on");
        world.crash("n", true);
        let kept = disk.read("log").expect("the power is back");
        left.push(kept.expect("it was synced empty").len());
        world.restart("n");
    }
    left
}

/// Who is told first that a node ended, of those that it serves in tasks of their own, where the
/// process had so many tasks before.
fn told(tasks_before: u32, end: fn(&mut SimFabric)) -> Vec<u32> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let mut world = SimFabric::new(7, Without::Nothing);
    let served = world.place("served").seams;
    world.host("served", move || {
        let seams = served.clone();
        async move {
            for _ in 0..tasks_before {
                tokio::spawn(async {}).await?;
            }
            let mut port = seams.net.listen(1).await?;
            loop {
                let wire = port.accept().await?;
                tokio::spawn(async move {
                    let _wire = wire;
                    std::future::pending::<()>().await;
                });
            }
        }
    });
    let (callers, heard) = (world.place("callers").seams, Arc::clone(&told));
    world.host("callers", move || {
        let (seams, heard) = (callers.clone(), Arc::clone(&heard));
        async move {
            for number in 0..9 {
                let mut wire = seams.net.dial(&Address::new("served", 1)).await?;
                let heard = Arc::clone(&heard);
                tokio::spawn(async move {
                    let end = wire.read(&mut [0]).await;
                    assert_eq!(end.expect("the crash is told"), 0);
                    heard.lock().expect("nobody panicked").push(number);
                });
            }
            std::future::pending().await
        }
    });
    world.run_until(Duration::from_secs(2)).expect("it runs");
    end(&mut world);
    world.run_until(Duration::from_secs(3)).expect("it runs on");
    told.lock().expect("nobody panicked").clone()
}

#[test]
fn a_crash_is_told_in_the_order_of_the_dials_whatever_the_process_ran_before() {
    let ends: [fn(&mut SimFabric); 2] = [
        |world| world.crash("served", false),
        |world| world.restart("served"),
    ];
    for (end, tasks_before) in ends
        .into_iter()
        .flat_map(|end| (0..8).map(move |n| (end, n)))
    {
        assert_eq!(told(tasks_before, end), (0..9).collect::<Vec<_>>());
    }
}

#[test]
fn no_two_power_cuts_of_a_node_need_tear_alike_and_the_seed_says_how() {
    let lengths: BTreeSet<usize> = torn(7).into_iter().collect();
    assert!(lengths.len() > 1, "{lengths:?}");
    assert_eq!(torn(7), torn(7));
    assert_ne!(torn(7), torn(8));
}
