//! Ports that somebody has, and more clients than there is room for.

use std::{
    net::{Ipv6Addr, SocketAddr, TcpListener},
    os::unix::net::UnixListener,
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use tokio::{
    net::{TcpStream, UnixStream},
    time::{Instant, sleep, timeout},
};

use crate::{BoxError, client::Dial, process::Program, suite::Setting, verdict::Verdict};

/// The exit code where an address is in use.
const IN_USE: i32 = 69;

/// How long a process may take to find out.
const REFUSED: Duration = Duration::from_millis(500);

/// P4: a port, a dual-stack port and a Unix socket that somebody listens on; and one that nobody
/// does.
pub(crate) async fn taken(setting: Setting) -> Result<Verdict, BoxError> {
    let (mut verdict, rounds) = (Verdict::default(), setting.times(5, 50));
    let mut refusals = 0;
    for _ in 0..rounds {
        let program = setting.program("hello")?;
        let holder = TcpListener::bind((program.ip(), 0))?;
        let address = holder.local_addr()?.to_string();
        refused(&mut verdict, program.set("http.addr", &address), &address).await?;

        // Whoever has the port for both families has it for IPv4 as well.
        let dual = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0))?;
        for host in ["127.0.0.1", "[::1]", "[::]"] {
            let address = format!("{host}:{}", dual.local_addr()?.port());
            let program = setting.program("hello")?.set("http.addr", &address);
            refused(&mut verdict, program, &address).await?;
        }

        let program = setting.program("hello")?;
        let path = program.place().path().join("app.sock");
        let live = UnixListener::bind(&path)?;
        let program = program.set("http.also", "[\"unix:app.sock\"]");
        let place = refused(&mut verdict, program, "app.sock").await?;
        verdict.require(path.exists(), || "the socket of somebody else is gone".to_owned());
        drop((live, place));
        refusals += 5;
        stale(setting, &mut verdict).await?;
    }
    verdict.injected("refusals", 5 * rounds, refusals);
    verdict.figure(format_args!("{rounds} stale sockets taken over"));
    Ok(verdict)
}

async fn refused(
    verdict: &mut Verdict,
    program: Program,
    address: &str,
) -> Result<Option<crate::process::Ended>, BoxError> {
    let began = Instant::now();
    let ended = match program.spawn()?.ended(REFUSED * 10).await {
        Ok(ended) => ended,
        Err(error) => {
            verdict.require(false, || format!("{address} is in use, and {error}"));
            return Ok(None);
        }
    };
    let took = ended.at - began;
    verdict.require(took <= REFUSED, || format!("{address} took {took:?} to be refused"));
    verdict.require(ended.code() == Some(IN_USE), || {
        format!("{address} in use, and it ended with {}:\n{}", ended.status, ended.log.last_words())
    });
    verdict.require(ended.log.find(address).is_some(), || format!("`{address}` is not named"));
    Ok(Some(ended))
}

/// A socket's file that nobody listens on any more is in nobody's way.
async fn stale(setting: Setting, verdict: &mut Verdict) -> Result<(), BoxError> {
    let program = setting.program("hello")?.set("http.also", "[\"unix:app.sock\"]");
    let path = program.place().path().join("app.sock");
    drop(UnixListener::bind(&path)?);
    let process = program.start().await?;
    let answers = UnixStream::connect(&path).await.is_ok();
    verdict.require(answers, || "nobody listens on a socket that was stale".to_owned());
    process.stop().await?;
    verdict.require(!path.exists(), || "the socket's file is left".to_owned());
    Ok(())
}

/// P9: a thousand clients of a process that may have 256 files open.
pub(crate) async fn exhausted(setting: Setting) -> Result<Verdict, BoxError> {
    let (mut verdict, clients) = (Verdict::default(), 1000);
    let program = setting.program("hello")?.alone().open_files(256).set("admin.enabled", true);
    let admin = SocketAddr::from((program.ip(), 0));
    let process = program.set("admin.addr", admin).start().await?;
    let (dial, admin) = (process.dial(), process.admin.ok_or("there is no operator's listener")?);
    let health = Dial::plain(admin);

    let mut connecting =
        stream::iter(0..clients).map(|_| TcpStream::connect(dial.address)).buffer_unordered(100);
    let mut held = Vec::new();
    while let Some(stream) = connecting.next().await {
        held.push(stream?);
    }
    verdict.injected("clients", clients, held.len());
    let (before, began, mut looks) = (process.processor()?, Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(3) {
        let live = health.get("/livez").await;
        verdict.require(live.as_ref().is_ok_and(|live| live.status == 200), || {
            format!("livez answered {live:?}")
        });
        let operator = timeout(REFUSED, process.operator().pid()).await;
        verdict.require(matches!(operator, Ok(Ok(_))), || {
            format!("an operator was answered {operator:?}")
        });
        looks += 1;
        sleep(Duration::from_millis(50)).await;
    }
    let busy = (process.processor()? - before).as_secs_f64() / began.elapsed().as_secs_f64();
    verdict
        .figure(format_args!("{looks} looks at livez and status, processor {:.0} %", busy * 100.0));
    verdict.require(busy < 0.2, || format!("the processor was busy for {:.0} %", busy * 100.0));
    let files = process.open_files()?;
    verdict.figure(format_args!("{files} files open"));

    let released = Instant::now();
    drop(held);
    let answer = dial.get("/").await;
    let took = released.elapsed();
    verdict.require(answer.is_ok(), || format!("afterwards it answered {answer:?}"));
    verdict.require(took <= Duration::from_secs(1), || format!("it took {took:?} to recover"));
    verdict.figure(format_args!("recovered in {took:.0?}"));
    process.stop().await?;
    Ok(verdict)
}
