//! Typed messages between two ends, with everything that can go wrong on the way.

#![expect(clippy::disallowed_methods, reason = "the runtime of a test ends with all its tasks")]

use std::{
    os::fd::AsFd as _,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use framework_process::ipc::{
    Closed, Forward, Forwarded, Handlers, IpcError, Message, Outgoing, Peer, Request, To,
    socket_pair,
};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Notify, Semaphore, mpsc},
    task::JoinHandle,
    time::Instant,
};

const LIMIT: Duration = Duration::from_secs(20);

#[derive(Debug, Serialize, Deserialize)]
struct Echo(Vec<u8>);

impl Message for Echo {
    const NAME: &'static str = "test.echo";
}

impl Request for Echo {
    type Reply = Vec<u8>;
}

#[derive(Debug, Serialize, Deserialize)]
struct Never;

impl Message for Never {
    const NAME: &'static str = "test.never";
}

impl Request for Never {
    type Reply = ();
}

#[derive(Debug, Serialize, Deserialize)]
struct Event(u64);

impl Message for Event {
    const NAME: &'static str = "test.event";
}

#[derive(Debug, Serialize, Deserialize)]
struct Beat;

impl Message for Beat {
    const NAME: &'static str = "test.beat";
    const CONTROL: bool = true;
}

impl Request for Beat {
    type Reply = ();
}

fn echo() -> Handlers {
    Handlers::new()
        .answer(async |Echo(bytes), _| Ok(bytes))
        .unwrap()
        .answer(async |Never, _| std::future::pending().await)
        .unwrap()
        .answer(async |Beat, _| Ok(()))
        .unwrap()
}

fn connected(left: Handlers, right: Handlers) -> [(Peer, JoinHandle<Closed>); 2] {
    let sockets: [_; 2] = socket_pair().unwrap().into();
    let mut handlers = [left, right].into_iter();
    sockets.map(|socket| {
        let (peer, driver) = Peer::open(socket, handlers.next().unwrap()).unwrap();
        (peer, tokio::spawn(driver))
    })
}

#[tokio::test]
async fn a_call_is_answered_whatever_its_length() {
    let [(left, _), (right, _)] = connected(echo(), echo());
    for length in [0, 1, 65_500, 65_536, 65_537, 1 << 20] {
        let bytes: Vec<_> = (0..length).map(|at| (at % 253) as u8).collect();
        for peer in [&left, &right] {
            let answer = peer.call(To::Peer, &Echo(bytes.clone()), LIMIT).await.unwrap();
            assert!(answer == bytes, "{length}");
        }
    }
    let error = left.call(To::Peer, &Echo(vec![0; 17 << 20]), LIMIT).await.unwrap_err();
    assert!(matches!(error, IpcError::TooLarge { .. }), "{error}");
}

#[tokio::test]
async fn calls_are_worked_on_side_by_side_and_messages_one_after_the_other() {
    let (seen, mut events) = mpsc::unbounded_channel();
    let gate = Arc::new(Notify::new());
    let opened = Arc::clone(&gate);
    let handlers = || {
        let (seen, opened) = (seen.clone(), Arc::clone(&opened));
        echo()
            .on(move |Event(number), _| {
                let (seen, opened) = (seen.clone(), Arc::clone(&opened));
                async move {
                    if number == 0 {
                        opened.notified().await;
                    }
                    seen.send(number)?;
                    Ok(())
                }
            })
            .unwrap()
    };
    let [(left, _), (_right, _)] = connected(handlers(), handlers());
    for number in 0..100 {
        left.send(To::Peer, &Event(number)).unwrap();
    }
    let waiting = left.call(To::Peer, &Never, Duration::from_secs(3600));
    let request = Echo(vec![1]);
    let answered = left.call(To::Peer, &request, LIMIT);
    tokio::pin!(waiting);
    tokio::select! {
        answer = answered => assert_eq!(answer.unwrap(), [1]),
        _ = &mut waiting => panic!("nobody answers that"),
    }
    assert!(events.try_recv().is_err(), "the first message holds the others up");
    gate.notify_one();
    for number in 0..100 {
        assert_eq!(events.recv().await, Some(number));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_look_for_their_answers_leave_messages_in_order() {
    const CALLS: u64 = 3_000;
    let (seen, mut events) = mpsc::unbounded_channel();
    let (answering, answerer) = (Arc::new(OnceLock::<Peer>::new()), Arc::new(AtomicU64::new(0)));
    let back = Arc::clone(&answering);
    let asked = Handlers::new()
        .answer(move |Echo(bytes), _| {
            let (back, number) = (Arc::clone(&back), answerer.fetch_add(1, Ordering::Relaxed));
            async move {
                let asker = back.get().ok_or("it is set before the first call")?;
                asker.send(To::Peer, &Event(number))?;
                Ok(bytes)
            }
        })
        .unwrap();
    let asking = Handlers::new().on(move |Event(number), _| {
        let sent = seen.send(number);
        async move { Ok(sent?) }
    });
    let sockets = socket_pair().unwrap();
    let (asker, driver) = Peer::open_to_any(sockets.0, asking.unwrap()).unwrap();
    tokio::spawn(driver);
    let (peer, driver) = Peer::open_to_any(sockets.1, asked).unwrap();
    tokio::spawn(driver);
    assert!(answering.set(peer).is_ok());
    for number in 0..CALLS {
        let bytes = number.to_le_bytes().to_vec();
        let answer = asker.call(To::Peer, &Echo(bytes.clone()), LIMIT).await.unwrap();
        assert_eq!(answer, bytes);
    }
    for number in 0..CALLS {
        assert_eq!(events.recv().await, Some(number));
    }
}

#[tokio::test]
async fn a_call_ends_at_its_deadline_on_both_sides() {
    let ended = Arc::new(Semaphore::new(0));
    struct OnDrop(Arc<Semaphore>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.add_permits(1);
        }
    }
    let handlers = || {
        let ended = Arc::clone(&ended);
        let slow = move |Never, _| {
            let held = OnDrop(Arc::clone(&ended));
            async move {
                let _held = held;
                std::future::pending().await
            }
        };
        Handlers::new().answer(slow).unwrap()
    };
    let [(left, _), (_right, _)] = connected(handlers(), handlers());
    let error = left.call(To::Peer, &Never, Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(error, IpcError::Timeout), "{error}");
    tokio::time::timeout(LIMIT, ended.acquire()).await.unwrap().unwrap().forget();
}

#[tokio::test]
async fn every_call_that_waits_ends_when_the_other_process_is_gone() {
    for _ in 0..20 {
        let [(left, _driver), (right, other)] = connected(echo(), echo());
        let calls: Vec<_> = (0..1000)
            .map(|_| {
                let left = left.clone();
                tokio::spawn(async move { left.call(To::Peer, &Never, LIMIT).await })
            })
            .collect();
        // All of them are under way once the last one is.
        left.call(To::Peer, &Beat, LIMIT).await.unwrap();
        other.abort();
        drop(right);
        let began = Instant::now();
        for call in calls {
            let error = call.await.unwrap().unwrap_err();
            assert!(matches!(error, IpcError::PeerGone), "{error}");
        }
        assert!(began.elapsed() < LIMIT / 2, "they waited for their deadlines");
        assert_eq!(left.closed().await, Closed::Gone);
        let error = left.call(To::Peer, &Beat, LIMIT).await.unwrap_err();
        assert!(matches!(error, IpcError::PeerGone), "{error}");
    }
}

#[tokio::test]
async fn what_the_other_side_makes_of_it_comes_back() {
    let handlers = || {
        Handlers::new()
            .answer(async |Echo(bytes), _| match bytes.len() {
                0 => Err("nothing to say".into()),
                1 => panic!("on purpose"),
                _ => Ok(bytes),
            })
            .unwrap()
    };
    let [(left, _), _right] = connected(handlers(), handlers());
    let error = left.call(To::Peer, &Echo(vec![]), LIMIT).await.unwrap_err();
    assert!(matches!(&error, IpcError::Remote(why) if why == "nothing to say"), "{error}");
    let error = left.call(To::Peer, &Echo(vec![1]), LIMIT).await.unwrap_err();
    assert!(matches!(&error, IpcError::Remote(why) if why.contains("panicked")), "{error}");
    let error = left.call(To::Peer, &Never, LIMIT).await.unwrap_err();
    assert!(matches!(error, IpcError::Unknown { .. }), "{error}");
    let error = left.call(To::Slot(3), &Echo(vec![1, 2]), LIMIT).await.unwrap_err();
    assert!(matches!(error, IpcError::Unknown { .. }), "{error}");
    assert_eq!(left.call(To::Peer, &Echo(vec![1, 2]), LIMIT).await.unwrap(), [1, 2]);
}

#[tokio::test]
async fn processes_with_other_messages_do_not_speak_to_each_other() {
    let [(left, one), (right, other)] = connected(echo(), Handlers::new());
    assert_eq!((one.await.unwrap(), other.await.unwrap()), (Closed::Version, Closed::Version));
    for peer in [left, right] {
        let error = peer.call(To::Peer, &Echo(vec![]), LIMIT).await.unwrap_err();
        assert!(matches!(error, IpcError::Version), "{error}");
    }
}

#[tokio::test]
async fn what_the_other_side_said_is_read_though_it_did_not_read_all() {
    let (ours, theirs) = socket_pair().unwrap();
    let (peer, own) = Peer::open(ours, echo()).unwrap();
    let (other, driver) = Peer::open(theirs, Handlers::new()).unwrap();
    // This lies in its socket when it is closed.
    peer.send(To::Peer, &Event(1)).unwrap();
    drop((other, driver));
    assert_eq!(own.await, Closed::Version);
}

#[tokio::test]
async fn a_call_that_comes_too_late_to_be_sent_is_told_of_the_other_version_too() {
    let (ours, theirs) = socket_pair().unwrap();
    let (_other, driver) = Peer::open(theirs, Handlers::new()).unwrap();
    let (peer, own) = Peer::open(ours, echo()).unwrap();
    // The other side has read the greeting, and closed its end, before this one reads anything.
    assert_eq!(driver.await, Closed::Version);
    let call = peer.call(To::Peer, &Beat, LIMIT);
    let (answer, closed) = tokio::join!(call, own);
    assert_eq!(closed, Closed::Version);
    assert!(matches!(answer, Err(IpcError::Version)), "{answer:?}");
}

#[tokio::test]
async fn whoever_sends_more_than_is_read_is_told_and_control_gets_through() {
    let (left, right) = socket_pair().unwrap();
    let (left, driver) = Peer::open_to_any(left, echo()).unwrap();
    let driver = tokio::spawn(driver);
    let mut sent = 0_u64;
    let error = loop {
        match left.send(To::Peer, &Event(sent)) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
        assert!(sent < 100_000, "there is no bound");
    };
    assert!(matches!(error, IpcError::Overloaded), "{error}");
    let beat = tokio::spawn({
        let left = left.clone();
        async move { left.call(To::Peer, &Beat, LIMIT).await }
    });
    tokio::task::yield_now().await;
    // Only now does the other side begin to read.
    let seen = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&seen);
    let before_beat = Arc::new(AtomicU64::new(u64::MAX));
    let noted = Arc::clone(&before_beat);
    let handlers = Handlers::new()
        .on(move |Event(_), _| {
            counted.fetch_add(1, Ordering::SeqCst);
            async { Ok(()) }
        })
        .unwrap();
    let of_beat = Arc::clone(&seen);
    let handlers = handlers
        .answer(move |Beat, _| {
            noted.store(of_beat.load(Ordering::SeqCst), Ordering::SeqCst);
            async { Ok(()) }
        })
        .unwrap();
    let (right, reading) = Peer::open_to_any(right, handlers).unwrap();
    let _reading = tokio::spawn(reading);
    beat.await.unwrap().unwrap();
    let overtaken = sent - before_beat.load(Ordering::SeqCst);
    assert!(overtaken > 500, "it overtook {overtaken} of {sent} only");
    drop((left, right));
    driver.abort();
}

/// Sends what is for others to the one other that there is.
struct Hub(Peer);

impl Forward for Hub {
    fn forward(
        &self,
        to: To,
        message: Forwarded,
        limit: Option<Duration>,
    ) -> framework_core::BoxFuture<Result<Outgoing, IpcError>> {
        let other = self.0.clone();
        Box::pin(async move {
            match (to, limit) {
                (To::Slot(7), Some(limit)) => other.pass_on_and_wait(4, &message, limit).await,
                (To::Others, None) => {
                    other.pass_on(4, &message)?;
                    Ok(Outgoing::none())
                }
                _ => Err(IpcError::NoSuchSlot { slot: 9 }),
            }
        })
    }
}

#[tokio::test]
async fn what_is_for_others_is_passed_on_with_the_number_of_its_sender() {
    let (seen, mut events) = mpsc::unbounded_channel();
    let worker = || {
        let (of_event, of_echo) = (seen.clone(), seen.clone());
        Handlers::new()
            .on(move |Event(number), from| {
                let _ = of_event.send((number, from));
                async { Ok(()) }
            })
            .unwrap()
            .answer(move |Echo(bytes), from| {
                let _ = of_echo.send((bytes.len() as u64, from));
                async { Ok(bytes) }
            })
            .unwrap()
    };
    let (one, hub_one) = socket_pair().unwrap();
    let (two, hub_two) = socket_pair().unwrap();
    let (to_two, driver_two) = Peer::open_to_any(hub_two, Handlers::new()).unwrap();
    let hub = Handlers::new().forward(Arc::new(Hub(to_two)));
    let (_to_one, driver_one) = Peer::open_to_any(hub_one, hub).unwrap();
    let (one, driver_of_one) = Peer::open_to_any(one, worker()).unwrap();
    let (_two, driver_of_two) = Peer::open_to_any(two, worker()).unwrap();
    let _drivers = [
        tokio::spawn(driver_two),
        tokio::spawn(driver_one),
        tokio::spawn(driver_of_one),
        tokio::spawn(driver_of_two),
    ];
    assert_eq!(one.call(To::Slot(7), &Echo(vec![5; 3]), LIMIT).await.unwrap(), [5; 3]);
    assert_eq!(events.recv().await, Some((3, Some(4))));
    one.send(To::Others, &Event(11)).unwrap();
    assert_eq!(events.recv().await, Some((11, Some(4))));
    let error = one.call(To::Slot(9), &Echo(vec![]), LIMIT).await.unwrap_err();
    assert!(matches!(error, IpcError::NoSuchSlot { slot: 9 }), "{error}");
    let error = one.call(To::Slot(7), &Never, LIMIT).await.unwrap_err();
    assert!(matches!(error, IpcError::Unknown { .. }), "{error}");
}

#[tokio::test]
async fn descriptors_go_along_with_calls_and_answers() {
    let handlers = || {
        Handlers::new()
            .answer_with_descriptors(async |Echo(bytes), descriptors: Vec<_>| {
                let mut text = String::new();
                for descriptor in &descriptors {
                    let name =
                        format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(descriptor));
                    text += std::fs::read_link(name)?.to_str().ok_or("no text")?;
                }
                assert_eq!(text.as_bytes(), bytes);
                Ok((bytes, descriptors))
            })
            .unwrap()
    };
    let [(left, _), _right] = connected(handlers(), handlers());
    let null = std::fs::File::open("/dev/null").unwrap();
    let sent = null.as_fd().try_clone_to_owned().unwrap();
    let request = Echo(b"/dev/null".to_vec());
    let answered = left.call_with_descriptors(To::Peer, &request, vec![sent], LIMIT).await;
    let (bytes, back) = answered.unwrap();
    assert_eq!((bytes.as_slice(), back.len()), (b"/dev/null".as_slice(), 1));
}

/// A side that says whatever it likes must not harm the other.
#[tokio::test]
async fn nonsense_ends_the_conversation_and_nothing_else() {
    let frames: [&[u8]; 5] =
        [b"x", &[0; 64], b"GET / HTTP/1.1\r\nhost: a.example\r\n\r\n ....", &[], &[255; 60_000]];
    for frame in frames {
        let (left, right) = socket_pair().unwrap();
        let (_peer, driver) = Peer::open(left, echo()).unwrap();
        rustix::net::send(&right, frame, rustix::net::SendFlags::empty()).unwrap();
        let closed = tokio::time::timeout(LIMIT, driver).await.unwrap();
        let gone = frame.is_empty() && closed == Closed::Gone;
        assert!(gone || matches!(closed, Closed::BadFrame(_)), "{closed:?}");
    }
}
