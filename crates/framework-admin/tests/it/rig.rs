use std::net::SocketAddr;

use framework_admin::{AdminHandle, AdminModule, AdminSettings};
use framework_app::{App, AppBuilder, RunningApp};
use framework_config::{ConfigModule, Secret, Sources};
use framework_core::{Modules, ShutdownReason};
use framework_observability::{AppIdentity, ObservabilityModule};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A running application with an operator's listener.
pub(crate) struct Rig {
    pub(crate) app: RunningApp,
    pub(crate) admin: AdminHandle,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) fn settings() -> AdminSettings {
    AdminSettings { addr: "127.0.0.1:0".to_owned(), ..AdminSettings::default() }
}

pub(crate) fn with_token(token: &str) -> AdminSettings {
    AdminSettings { token: Secret::new(token.to_owned()), ..settings() }
}

/// An application with these modules beside the listener and what it shows.
pub(crate) fn app(settings: AdminSettings, modules: impl Modules) -> (AppBuilder, AdminHandle) {
    let admin = AdminModule::new().settings(settings);
    let handle = admin.handle();
    let mut identity = AppIdentity::new("till");
    identity.version = "1.2.3".to_owned();
    let app = App::builder("till").modules((
        ConfigModule::from(Sources::none()),
        ObservabilityModule::new(&identity),
        admin,
    ));
    (app.modules(modules), handle)
}

impl Rig {
    pub(crate) async fn start(modules: impl Modules) -> Self {
        Self::start_with(settings(), modules).await
    }

    pub(crate) async fn start_with(settings: AdminSettings, modules: impl Modules) -> Self {
        let (app, admin) = app(settings, modules);
        Self { app: app.build().unwrap().start().await.unwrap(), admin }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        get(self.admin.local_addr().unwrap(), path).await
    }

    pub(crate) async fn ask(&self, line: &str, headers: &[&str], body: &str) -> Answer {
        ask(self.admin.local_addr().unwrap(), line, headers, body).await
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    pub(crate) async fn stop(self) {
        self.app.stop(ShutdownReason::Requested("the test is over".to_owned())).await.unwrap();
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The status in the problem document, which every error is.
    #[track_caller]
    pub(crate) fn problem(&self) -> u16 {
        assert!(self.head.contains("content-type: application/problem+json"), "{}", self.head);
        assert_eq!(self.json()["status"], self.status);
        self.status
    }
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, &format!("GET {path}"), &[], "").await
}

/// Sends a request on a connection of its own, and reads until the server closes it.
pub(crate) async fn ask(address: SocketAddr, line: &str, headers: &[&str], body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let host = match headers.iter().any(|header| header.starts_with("host:")) {
        true => String::new(),
        false => format!("host: {address}\r\n"),
    };
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\n{host}connection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}
