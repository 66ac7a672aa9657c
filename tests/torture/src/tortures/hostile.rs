//! Clients that mean no good, and the good ones beside them.

use std::{net::SocketAddr, time::Duration};

use futures_util::{StreamExt as _, future::join_all, stream};
use rand::{RngExt as _, rngs::StdRng};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    BoxError,
    client::{Connection, Dial, request},
    history::Record,
    load::{Expected, Load, Plan},
    process::Process,
    suite::Setting,
    tortures::counters::{self, Counters},
    verdict::Verdict,
};

/// How long a head may take, and how much longer it is until that shows.
const HEAD: Duration = Duration::from_millis(10_500);

/// How long a body may take of which a byte comes each second: its grace, and what a byte earns.
const SENT: Duration = Duration::from_secs(7);

/// How long a response may wait for its client, and how much longer it is until that shows.
const STALLED: Duration = Duration::from_secs(42);

/// How long it may take until nothing is left of a connection that was reset.
const LET_GO: Duration = Duration::from_secs(10);

/// How many connect at a time.
const CONNECTING: usize = 200;

/// What a machine this small may add to the tail of the good clients.
const NOISE: Duration = Duration::from_millis(100);

fn good_clients(seed: u64) -> Plan {
    let (think, expected) = (Duration::from_millis(400), Expected::text("hello"));
    Plan {
        keep_alive: 16,
        connecting: 16,
        multiplexed: 0,
        think,
        think_connecting: think,
        at_once: 10,
        path: "/",
        expected,
        seed,
    }
}

/// How long the slowest of a hundred takes.
fn tail(records: &[Record]) -> Duration {
    let mut took: Vec<_> = records.iter().map(|record| record.returned - record.invoked).collect();
    took.sort_unstable();
    took.get(took.len() * 99 / 100).copied().unwrap_or_default()
}

/// Requires that the good clients have noticed nothing.
async fn unharmed(verdict: &mut Verdict, load: Load, undisturbed: usize) {
    let rate = load.rate();
    let records = load.stop().await.records();
    verdict.load(rate);
    verdict.nothing_lost(&records);
    let (before, during) = records.split_at(undisturbed.min(records.len()));
    let (before, during) = (tail(before), tail(during));
    verdict.figure(format_args!("p99 {before:.1?} before, {during:.1?} during"));
    verdict.require(during <= before.mul_f64(1.5).max(NOISE), || {
        format!("the p99 of good clients went from {before:?} to {during:?}")
    });
}

/// H1: heads that come in a byte at a time.
pub(crate) async fn slow_heads(setting: Setting) -> Result<Verdict, BoxError> {
    let clients = setting.times(5000, 8000);
    held(setting, clients, b"GET / HTTP/1.1\r\nx-slowly: ").await
}

/// H3: clients that connect and say nothing.
pub(crate) async fn silence(setting: Setting) -> Result<Verdict, BoxError> {
    held(setting, setting.times(10_000, 10_000), b"").await
}

/// Connects that many clients, which begin with `head` and send a byte each five seconds if that
/// is anything: each is closed in time.
async fn held(setting: Setting, clients: usize, head: &'static [u8]) -> Result<Verdict, BoxError> {
    let mut verdict = Verdict::default();
    let process = setting.program("target")?.set("http.max_connections", 12_000).start().await?;
    let dial = process.dial();
    let load = good_clients(setting.seed).start(&dial);
    load.history.reaches(300).await;
    let undisturbed = load.history.len();
    let before = process.memory()?;

    let mut held = JoinSet::new();
    let mut connecting = stream::iter(0..clients).map(|_| dial.connect());
    let mut connected = connecting.by_ref().buffer_unordered(CONNECTING);
    while let Some(connection) = connected.next().await {
        let connection = connection.map_err(|outcome| format!("cannot connect: {outcome:?}"))?;
        held.spawn(slowly(connection, head));
    }
    let memory = process.memory()?.saturating_sub(before) / u64::try_from(clients)?;
    let (mut closed, mut slowest) = (0, Duration::ZERO);
    while let Some(after) = held.join_next().await {
        if let Some(after) = after? {
            closed += 1;
            slowest = slowest.max(after);
        }
    }
    verdict.injected("clients closed", clients, closed);
    verdict.figure(format_args!("the last after {:.2} s", slowest.as_secs_f64()));
    verdict.require(slowest <= HEAD, || format!("one was closed after {slowest:?}"));
    verdict.figure(format_args!("{memory} bytes of memory each"));
    unharmed(&mut verdict, load, undisturbed).await;
    process.stop().await?;
    Ok(verdict)
}

/// Holds a connection, and says after how long it was closed.
async fn slowly(mut connection: Connection, head: &[u8]) -> Option<Duration> {
    let began = Instant::now();
    if !head.is_empty() {
        connection.send(head).await.ok()?;
    }
    loop {
        if timeout(Duration::from_secs(5), connection.closed()).await.is_ok() {
            return Some(began.elapsed());
        }
        if began.elapsed() > HEAD {
            return None;
        }
        if !head.is_empty() {
            // What is closed meanwhile shows with the next look.
            let _ = connection.send(b"x").await;
        }
    }
}

/// H2: a thousand bodies that are sent too slowly, then as many responses that are never read.
pub(crate) async fn slow_bodies(setting: Setting) -> Result<Verdict, BoxError> {
    let (mut verdict, each) = (Verdict::default(), setting.times(1000, 4000));
    let process = setting.program("target")?.start().await?;
    let before = process.memory()?;
    let held = senders(&mut verdict, &process, each).await?;
    if !verdict.is_good() {
        // Those who read nothing would be waited for as well.
        return Ok(verdict);
    }
    memory_each(&mut verdict, before, held, each)?;
    let held = readers(&mut verdict, &process, each).await?;
    memory_each(&mut verdict, before, held, each)?;
    process.stop().await?;
    Ok(verdict)
}

fn memory_each(
    verdict: &mut Verdict,
    before: u64,
    held: u64,
    clients: usize,
) -> Result<(), BoxError> {
    let each = held.saturating_sub(before) / u64::try_from(clients)?;
    verdict.figure(format_args!("{each} bytes of memory each"));
    verdict.require(each <= 64 * 1024, || format!("{each} bytes of memory each"));
    Ok(())
}

/// Sends bodies too slowly, and says how much memory the process had while it waited for them.
async fn senders(
    verdict: &mut Verdict,
    process: &Process,
    clients: usize,
) -> Result<u64, BoxError> {
    let dial = process.dial();
    let mut senders = JoinSet::new();
    let body = request("POST", "/echo", "keep-alive", &[b'x'; 100_000]);
    let start = body.len() - 99_900;
    for _ in 0..clients {
        let mut connection = dial.connect().await.map_err(|outcome| format!("{outcome:?}"))?;
        connection.send(&body[..start]).await?;
        senders.spawn(trickle(connection));
    }
    counters::until(&dial, |now| now.requests == clients).await?;
    let memory = process.memory()?;
    let (mut cut, mut slowest) = (0, Duration::ZERO);
    while let Some(after) = senders.join_next().await {
        if let Some(after) = after? {
            cut += 1;
            slowest = slowest.max(after);
        }
    }
    verdict.injected("slow senders cut", clients, cut);
    verdict.figure(format_args!("the last after {:.1} s", slowest.as_secs_f64()));
    verdict.require(slowest <= SENT, || format!("one sent for {slowest:?}"));
    counters::until(&dial, |now| now.requests == 0 && now.connections == 0).await?;
    Ok(memory)
}

/// Reads nothing, and says how much memory the process had while it waited for that.
async fn readers(
    verdict: &mut Verdict,
    process: &Process,
    clients: usize,
) -> Result<u64, BoxError> {
    let (dial, began) = (process.dial(), Instant::now());
    let endless = request("GET", "/endless", "keep-alive", b"");
    let mut readers = Vec::new();
    for _ in 0..clients {
        let mut stream = small_window(dial.address).await?;
        stream.write_all(&endless).await?;
        readers.push(stream);
    }
    counters::until(&dial, |now| now.requests == clients).await?;
    let memory = process.memory()?;
    // They see nothing of it: nothing is what they look at.
    let gone = counters::within(&dial, STALLED, |now| now.requests + now.connections == 0).await;
    verdict.require(gone.is_ok(), || format!("stalled readers are held: {gone:?}"));
    let took = began.elapsed();
    verdict.injected("stalled readers", clients, readers.len());
    verdict.figure(format_args!("cut after {:.1} s", took.as_secs_f64()));
    Ok(memory)
}

/// A connection for whose bytes its client has next to no room.
async fn small_window(address: SocketAddr) -> Result<TcpStream, BoxError> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    Ok(socket.connect(address).await?)
}

/// Sends a byte a second, and says after how long that was no longer wanted.
async fn trickle(mut connection: Connection) -> Option<Duration> {
    let began = Instant::now();
    while began.elapsed() < 2 * SENT {
        if timeout(Duration::from_secs(1), connection.more()).await.is_ok() {
            return Some(began.elapsed());
        }
        let _ = connection.send(b"x").await;
    }
    None
}

/// H4: connections that are reset at every point of every protocol: nothing is left of them.
pub(crate) async fn resets(setting: Setting) -> Result<Verdict, BoxError> {
    let (mut verdict, cuts) = (Verdict::default(), setting.times(10_000, 200_000));
    let mut random = setting.random(44);
    let process = setting.program("target")?.start().await?;
    let dial = process.dial();
    // Once in quiet, so that what is made on first use is there.
    join_all(talks().map(|talk| reset(dial.address, talk.clone(), talk.len(), true))).await;
    if !let_go(&mut verdict, &dial, usize::MAX).await {
        return Ok(verdict);
    }
    let (before, files) = (counters::read(&dial).await?, fewest_files(&process).await?);

    let load = good_clients(setting.seed).start(&dial);
    load.history.reaches(100).await;
    let cut = |random: &mut StdRng| {
        let all: Vec<_> = talks().collect();
        let talk = all[random.random_range(0..all.len())].clone();
        let at = random.random_range(0..=talk.len());
        (talk, at, random.random::<bool>())
    };
    let schedule: Vec<_> = (0..cuts).map(|_| cut(&mut random)).collect();
    let running =
        stream::iter(schedule).map(|(talk, at, reads)| reset(dial.address, talk, at, reads));
    let done = running.buffer_unordered(64).filter(|done| std::future::ready(*done)).count().await;
    verdict.injected("resets", cuts, done);
    let rate = load.rate();
    verdict.load(rate);
    verdict.nothing_lost(&load.stop().await.records());

    if !let_go(&mut verdict, &dial, before.tasks).await {
        return Ok(verdict);
    }
    let (after, now) = (counters::read(&dial).await?, fewest_files(&process).await?);
    verdict.figure(format_args!("{} tasks before, {} after", before.tasks, after.tasks));
    verdict.figure(format_args!("{files} files before, {now} after"));
    verdict.require(now <= files, || format!("{files} files were open, and now {now}"));
    process.stop().await?;
    Ok(verdict)
}

/// Whether nothing is left of connections that have ended, but for so many tasks.
async fn let_go(verdict: &mut Verdict, dial: &Dial, tasks: usize) -> bool {
    let nothing =
        |now: &Counters| now.requests + now.connections + now.upgraded == 0 && now.tasks <= tasks;
    let left = counters::within(dial, LET_GO, nothing).await;
    verdict.require(left.is_ok(), || format!("something is left of what was reset: {left:?}"));
    left.is_ok()
}

/// How many files are open when nobody asks: the connection of who asked last may be among them
/// for a moment, so the fewest of several looks count.
async fn fewest_files(process: &Process) -> Result<usize, BoxError> {
    let mut fewest = process.open_files()?;
    for _ in 0..20 {
        sleep(Duration::from_millis(10)).await;
        fewest = fewest.min(process.open_files()?);
    }
    Ok(fewest)
}

/// What clients say, from their first byte to their last.
fn talks() -> impl Iterator<Item = Vec<u8>> {
    let websocket: &[u8] = b"GET /socket HTTP/1.1\r\nhost: torture\r\nconnection: upgrade\r\n\
        upgrade: websocket\r\nsec-websocket-version: 13\r\n\
        sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x84\x01\x02\x03\x04\x01\x02\x03\x04";
    // The preface, settings, and a request for `/` whose fields are all in the static table.
    let http2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\
        \0\0\x0c\x01\x05\0\0\0\x01\x82\x86\x84\x41\x07torture";
    let twice =
        [request("GET", "/", "keep-alive", b""), request("GET", "/", "close", b"")].concat();
    [
        twice,
        request("POST", "/echo", "keep-alive", &[b'x'; 3000]),
        request("GET", "/endless", "keep-alive", b""),
        request("GET", "/pieces?ms=200", "keep-alive", b""),
        request("GET", "/events", "keep-alive", b""),
        request("GET", "/slow?ms=200", "keep-alive", b""),
        websocket.to_vec(),
        http2.to_vec(),
    ]
    .into_iter()
}

/// Says the first bytes of something, listens for an answer or not, and resets the connection.
async fn reset(address: SocketAddr, talk: Vec<u8>, at: usize, reads: bool) -> bool {
    let Ok(mut stream) = TcpStream::connect(address).await else { return false };
    if stream.set_zero_linger().is_err() {
        return false;
    }
    // The server may have closed what it does not like.
    let _ = stream.write_all(&talk[..at]).await;
    if reads {
        let mut answer = [0; 64];
        let _ = timeout(Duration::from_millis(20), stream.read(&mut answer)).await;
    } else if at.is_multiple_of(2) {
        sleep(Duration::from_millis(1)).await;
    }
    true
}
