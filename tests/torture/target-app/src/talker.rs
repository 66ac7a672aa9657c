use std::{
    env,
    fs::File,
    future::poll_fn,
    io::{self, Write as _},
    os::fd::AsFd as _,
    process::ExitCode,
    task::Poll,
    time::Duration,
};

use framework_process::ipc::{Closed, IpcError, Peer, To};
use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use serde_json::{Value, json};
use tokio::{
    task::{JoinSet, consume_budget, yield_now},
    time::{Instant, interval},
};

use crate::talk::{Beat, Echo, Event, Never, handlers};

/// How long an answer may take that nothing keeps.
const LIMIT: Duration = Duration::from_secs(30);

/// Talks to whoever is at the other end of standard input, a socket, until that has gone. With
/// `--newer` it knows more than others.
///
/// With `--ask WHAT NUMBER` it is the one that begins, and says on standard output, a line of JSON
/// each, what came of it: `waiting` has so many calls wait for an answer that never comes, `flood`
/// sends as much as there is room for, with signs of life in between, for so many seconds, and
/// `much` sends what is almost, just and far too much.
#[must_use]
pub fn talk() -> ExitCode {
    match run() {
        Ok(Closed::Gone) => ExitCode::SUCCESS,
        Ok(Closed::Version) => ExitCode::from(3),
        Ok(_) => ExitCode::from(4),
        Err(_) => ExitCode::from(71),
    }
}

fn run() -> io::Result<Closed> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let arguments: Vec<String> = env::args().collect();
    let newer = arguments.iter().any(|argument| argument == "--newer");
    let ask: Vec<_> =
        arguments.iter().skip_while(|argument| *argument != "--ask").skip(1).collect();
    let handlers = handlers(newer).map_err(io::Error::other)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (peer, driver) = Peer::open(socket, handlers)?;
        let [what, number, ..] = ask[..] else { return Ok(driver.await) };
        let number = number.parse().map_err(io::Error::other)?;
        let mut driving = JoinSet::new();
        driving.spawn(driver.map(drop));
        match what.as_str() {
            "waiting" => waiting(&peer, number).await?,
            "flood" => flood(&peer, Duration::from_secs(u64::from(number))).await?,
            _ => much(&peer).await?,
        }
        driving.shutdown().await;
        Ok(Closed::Gone)
    })
}

/// Says what came of something to whoever reads standard output.
fn tell(what: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{what}")?;
    out.flush()
}

async fn waiting(peer: &Peer, number: u32) -> io::Result<()> {
    let mut calls: FuturesUnordered<_> =
        (0..number).map(|_| peer.call(To::Peer, &Never, LIMIT)).collect();
    // Each is polled once, and so is sent.
    let early = poll_fn(|cx| Poll::Ready(calls.poll_next_unpin(cx))).await.is_ready();
    // What came before a sign of life has arrived.
    let arrived = peer.call(To::Peer, &Echo(vec![1]), LIMIT).await;
    tell(&json!({"early": early, "arrived": arrived.is_ok()}))?;
    let (mut gone, mut others) = (0, Vec::new());
    while let Some(answer) = calls.next().await {
        match answer {
            Err(IpcError::PeerGone) => gone += 1,
            other => others.push(format!("{other:?}")),
        }
    }
    tell(&json!({"gone": gone, "others": others}))
}

async fn flood(peer: &Peer, time: Duration) -> io::Result<()> {
    // From here on there are all buffers that it takes.
    beat(peer).await.map_err(io::Error::other)?;
    tell(&json!({}))?;
    let until = Instant::now() + time;
    let flooding = async {
        let (mut sent, mut refused, event) = (0_u64, 0_u64, Event("x".repeat(1024)));
        while Instant::now() < until {
            // Signs of life are sent from the same thread.
            consume_budget().await;
            match peer.send(To::Peer, &event) {
                Ok(()) => sent += 1,
                Err(_full) => {
                    refused += 1;
                    yield_now().await;
                }
            }
        }
        Ok::<_, io::Error>((sent, refused))
    };
    let beating = async {
        let (mut took, mut kept) = (Vec::new(), 0);
        let mut ticks = interval(Duration::from_millis(10));
        while Instant::now() < until {
            ticks.tick().await;
            match beat(peer).await {
                Ok(time) => took.push(time),
                Err(IpcError::Overloaded) => kept += 1,
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok((took, kept))
    };
    let ((sent, refused), (mut took, kept)) = tokio::try_join!(flooding, beating)?;
    took.sort_unstable();
    let at = |part: usize| took.get(took.len() * part / 100).copied().unwrap_or_default();
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    tell(&json!({
        "sent": sent,
        "refused": refused,
        "beats": took.len(),
        "kept": kept,
        "p50": micros(at(50)),
        "p99": micros(at(99)),
    }))
}

/// How long a sign of life took.
async fn beat(peer: &Peer) -> Result<Duration, IpcError> {
    let began = Instant::now();
    peer.call(To::Peer, &Beat, LIMIT).await?;
    Ok(began.elapsed())
}

async fn much(peer: &Peer) -> io::Result<()> {
    let name = |answer: Result<usize, IpcError>| match answer {
        Ok(length) => length.to_string(),
        Err(IpcError::TooLarge { .. }) => "too large".to_owned(),
        Err(IpcError::TooManyDescriptors { length, .. }) => format!("too many: {length}"),
        Err(IpcError::Version) => "another version".to_owned(),
        Err(other) => format!("{other:?}"),
    };
    for length in [(64 << 10) - 1, 64 << 10, (64 << 10) + 1, 8 << 20, 17 << 20] {
        let back = peer.call(To::Peer, &Echo(vec![7; length]), LIMIT).await;
        tell(&json!(name(back.map(|back| back.len()))))?;
    }
    let null = File::open("/dev/null")?;
    let many = (0..254).map(|_| null.as_fd().try_clone_to_owned()).collect::<io::Result<_>>()?;
    let many = peer.call_with_descriptors(To::Peer, &Beat, many, LIMIT).await;
    tell(&json!(name(many.map(|_| 0))))?;
    let after = peer.call(To::Peer, &Beat, LIMIT).await;
    tell(&json!(name(after.map(|()| 0))))
}
