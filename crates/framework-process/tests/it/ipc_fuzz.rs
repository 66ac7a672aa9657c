//! A process at the other end that says whatever it likes.

#![expect(clippy::disallowed_methods, reason = "the runtime of a test ends with all its tasks")]

use std::{
    fs, io,
    io::IoSlice,
    mem::MaybeUninit,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    time::Duration,
};

use framework_process::ipc::{Closed, Handlers, Message, Peer, Request, To, socket_pair};
use proptest::{
    prelude::Rng as _,
    test_runner::{RngAlgorithm, TestRng},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recv, sendmsg},
};
use serde::{Deserialize, Serialize};
use tokio::{
    task::{JoinHandle, yield_now},
    time::{Instant, timeout},
};

/// How many frames with something wrong in them are sent.
const FRAMES: usize = 100_000;

/// When what is kept has its size.
const WARM: usize = FRAMES / 4;

/// How much memory may come and go, in bytes: a hundred for each frame would be more.
const NOISE: u64 = 8 << 20;

const LIMIT: Duration = Duration::from_secs(20);

/// The fields of a header: where each begins, and how long it is.
const FIELDS: [(usize, usize); 9] =
    [(0, 2), (2, 1), (3, 1), (4, 4), (8, 8), (16, 8), (24, 4), (28, 4), (32, 4)];

/// Where the number of a call is.
const NUMBER: std::ops::Range<usize> = 8..16;

/// How long a header is, and the longest frame.
const HEADER: usize = 36;
const LONGEST: usize = HEADER + (64 << 10);

#[derive(Debug, Serialize, Deserialize)]
struct Echo(Vec<u8>);

impl Message for Echo {
    const NAME: &'static str = "fuzz.echo";
}

impl Request for Echo {
    type Reply = Vec<u8>;
}

#[derive(Debug, Serialize, Deserialize)]
struct Never;

impl Message for Never {
    const NAME: &'static str = "fuzz.never";
}

impl Request for Never {
    type Reply = ();
}

#[derive(Debug, Serialize, Deserialize)]
struct Beat;

impl Message for Beat {
    const NAME: &'static str = "fuzz.beat";
    const CONTROL: bool = true;
}

impl Request for Beat {
    type Reply = ();
}

#[derive(Debug, Serialize, Deserialize)]
struct Event(String);

impl Message for Event {
    const NAME: &'static str = "fuzz.event";
}

fn handlers() -> Handlers {
    Handlers::new()
        .answer(async |Echo(bytes), _| Ok(bytes))
        .unwrap()
        .answer(async |Never, _| std::future::pending().await)
        .unwrap()
        .answer(async |Beat, _| Ok(()))
        .unwrap()
        .on(async |Event(_), _| Ok(()))
        .unwrap()
}

/// Frames that are as they should be.
struct Good {
    hello: Vec<u8>,
    beat: Vec<u8>,
    /// Of each kind one.
    all: Vec<Vec<u8>>,
}

impl Good {
    /// What two processes say to each other.
    async fn overheard() -> Self {
        let (socket, listener) = socket_pair().unwrap();
        let (peer, driver) = Peer::open(socket, handlers()).unwrap();
        let driver = tokio::spawn(driver);
        let hello = next(listener.as_fd()).await.unwrap();
        peer.send(To::Peer, &Event("heard".to_owned())).unwrap();
        let event = next(listener.as_fd()).await.unwrap();
        let echo = overhear(&peer, &Echo(vec![7; 40]), &listener).await;
        let never = overhear(&peer, &Never, &listener).await;
        let beat = overhear(&peer, &Beat, &listener).await;
        drop(peer);
        driver.abort();
        let mut all = vec![hello.clone(), event, echo.clone(), never, beat.clone()];
        let Connected { socket, .. } = Connected::greeted(&hello).await;
        let mut unknown = echo.clone();
        unknown[16] ^= 1;
        for asked in [echo, unknown] {
            say(socket.as_fd(), &asked, &[]).unwrap();
            all.push(next(socket.as_fd()).await.unwrap());
        }
        Self { hello, beat, all }
    }
}

async fn overhear<R: Request>(peer: &Peer, request: &R, listener: &OwnedFd) -> Vec<u8> {
    tokio::select! {
        frame = next(listener.as_fd()) => frame.unwrap(),
        _ = peer.call(To::Peer, request, LIMIT) => panic!("nobody answers"),
    }
}

/// The other end of a conversation with a peer.
struct Connected {
    socket: OwnedFd,
    // It is held, as a process holds it that does not know yet that the conversation is over.
    _peer: Peer,
    driver: JoinHandle<Closed>,
}

impl Connected {
    fn new() -> Self {
        let (of_peer, socket) = socket_pair().unwrap();
        let (peer, driver) = Peer::open(of_peer, handlers()).unwrap();
        Self { socket, _peer: peer, driver: tokio::spawn(driver) }
    }

    async fn greeted(hello: &[u8]) -> Self {
        let connected = Self::new();
        assert_eq!(next(connected.socket.as_fd()).await.as_deref(), Some(hello));
        say(connected.socket.as_fd(), hello, &[]).unwrap();
        connected
    }

    /// Says something, as soon as there is room; `false` if nobody listens any more.
    async fn say(&self, frame: &[u8], along: &[BorrowedFd<'_>]) -> bool {
        let give_up = Instant::now() + LIMIT;
        loop {
            match say(self.socket.as_fd(), frame, along) {
                Ok(()) => return true,
                Err(Errno::PIPE | Errno::CONNRESET) => return false,
                Err(Errno::AGAIN | Errno::NOBUFS) => {}
                Err(error) => panic!("{error}"),
            }
            assert!(Instant::now() < give_up, "it listens no more, and is still there");
            while let Ok(Some(_)) = hear(self.socket.as_fd()) {}
            yield_now().await;
        }
    }

    /// Whether it still answers.
    async fn answers(&self, beat: &[u8], number: u64) -> bool {
        let mut asked = beat.to_vec();
        asked[NUMBER].copy_from_slice(&number.to_le_bytes());
        if !self.say(&asked, &[]).await {
            return false;
        }
        loop {
            match next(self.socket.as_fd()).await {
                Some(frame) if frame[NUMBER] == asked[NUMBER] => return true,
                Some(_) => {}
                None => return false,
            }
        }
    }

    /// Why the peer has ended.
    async fn ended(self) -> Closed {
        timeout(LIMIT, self.driver).await.expect("it hangs").expect("it panics")
    }
}

fn say(socket: BorrowedFd<'_>, frame: &[u8], along: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let mut room = [MaybeUninit::uninit(); 256];
    let mut control = SendAncillaryBuffer::new(&mut room);
    if !along.is_empty() {
        assert!(control.push(SendAncillaryMessage::ScmRights(along)));
    }
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    sendmsg(socket, &[IoSlice::new(frame)], &mut control, flags).map(drop)
}

/// What is there, if anything is; `None` at the end.
fn hear(socket: BorrowedFd<'_>) -> Result<Option<Vec<u8>>, Errno> {
    let mut frame = vec![0; LONGEST];
    let (length, _) = recv(socket, &mut frame, RecvFlags::DONTWAIT)?;
    frame.truncate(length);
    Ok((length > 0).then_some(frame))
}

/// What comes next; `None` at the end.
async fn next(socket: BorrowedFd<'_>) -> Option<Vec<u8>> {
    let give_up = Instant::now() + LIMIT;
    loop {
        match hear(socket) {
            Ok(frame) => return frame,
            Err(Errno::AGAIN) => yield_now().await,
            // It ended with something unread.
            Err(Errno::CONNRESET) => return None,
            Err(error) => panic!("{error}"),
        }
        assert!(Instant::now() < give_up, "it says nothing, and is still there");
    }
}

/// What random bytes make of a frame.
struct Fuzz(TestRng);

impl Fuzz {
    fn below(&mut self, limit: usize) -> usize {
        self.0.next_u32() as usize % limit
    }

    /// A frame that is as it should be but for one thing.
    fn frame(&mut self, good: &Good) -> Vec<u8> {
        let mut frame = good.all[self.below(good.all.len())].clone();
        match self.below(16) {
            0 => frame.truncate(1 + self.below(frame.len())),
            1 => frame.extend((0..self.below(64)).map(|at| at as u8)),
            2 => {
                let bodies = &mut frame[HEADER..];
                self.0.fill_bytes(bodies);
            }
            3 => frame.resize(LONGEST - 8 + self.below(16), 0x5a),
            _ => self.field(&mut frame),
        }
        frame
    }

    fn field(&mut self, frame: &mut [u8]) {
        let (from, length) = FIELDS[self.below(FIELDS.len())];
        let field = &mut frame[from..from + length];
        match self.below(6) {
            0 => field.fill(0),
            1 => field.fill(0xff),
            2 => field[0] = field[0].wrapping_add(1),
            3 => field[0] ^= 1 << (self.0.next_u32() % 8),
            4 => field[length - 1] ^= 0x80,
            _ => self.0.fill_bytes(field),
        }
    }
}

fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn whatever_is_in_a_frame_the_peer_ends_in_order_or_goes_on() {
    let good = Good::overheard().await;
    let mut fuzz = Fuzz(TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let (unread, along) = io::pipe().unwrap();
    let (mut sent, mut warm, mut ends) = (0, None, 0_u64);
    while sent < FRAMES {
        let peer = Connected::greeted(&good.hello).await;
        loop {
            let frame = fuzz.frame(&good);
            let descriptors = vec![along.as_fd(); fuzz.below(16).saturating_sub(12)];
            if !peer.say(&frame, &descriptors).await {
                break;
            }
            sent += 1;
            if sent == WARM {
                warm = Some(memory());
            }
            let number = 0xbeef_0000_0000 + sent as u64;
            if sent % 32 == 0 && !peer.answers(&good.beat, number).await {
                break;
            }
            if sent >= FRAMES {
                break;
            }
        }
        if sent < FRAMES {
            let closed = peer.ended().await;
            assert!(matches!(closed, Closed::BadFrame(_)), "{closed:?}");
            ends += 1;
        }
    }
    assert!(ends > 1000, "only {ends} of {sent} frames made no sense");
    let (before, now) = (warm.unwrap(), memory());
    assert!(now < before + NOISE, "{before} bytes have become {now}");
    let peer = Connected::greeted(&good.hello).await;
    assert!(peer.answers(&good.beat, 1).await, "a fresh one does not work");
    drop(along);
    let mut waiting = [PollFd::new(&unread, PollFlags::IN)];
    let limit = Timespec::try_from(LIMIT).unwrap();
    assert_eq!(poll(&mut waiting, Some(&limit)), Ok(1), "descriptors are left open");
}

#[tokio::test]
async fn nothing_comes_before_the_greeting_and_it_comes_once() {
    let good = Good::overheard().await;
    for frame in &good.all[1..] {
        let peer = Connected::new();
        assert_eq!(next(peer.socket.as_fd()).await.as_ref(), Some(&good.hello));
        assert!(peer.say(frame, &[]).await);
        assert_eq!(next(peer.socket.as_fd()).await, None, "it goes on");
        out_of_turn(peer.ended().await);
    }
    let peer = Connected::greeted(&good.hello).await;
    assert!(peer.answers(&good.beat, 1).await);
    assert!(peer.say(&good.hello, &[]).await);
    assert_eq!(next(peer.socket.as_fd()).await, None, "it goes on");
    out_of_turn(peer.ended().await);
}

fn out_of_turn(closed: Closed) {
    let Closed::BadFrame(why) = closed else { panic!("{closed:?}") };
    assert!(why.contains("greeting"), "{why}");
}

#[tokio::test]
async fn other_versions_and_frames_that_are_too_long_are_named() {
    let good = Good::overheard().await;
    let mut other = good.beat.clone();
    other[2] = 2;
    let mut long = good.all[2].clone();
    long.resize(LONGEST + 1, 0);
    for (frame, reason) in [(other, "version 2 of the protocol"), (long, "longer than")] {
        let peer = Connected::greeted(&good.hello).await;
        assert!(peer.say(&frame, &[]).await);
        let closed = peer.ended().await;
        let Closed::BadFrame(why) = closed else { panic!("{closed:?}") };
        assert!(why.contains(reason), "{why}");
    }
}
