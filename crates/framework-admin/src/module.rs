use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use framework_config::{Config, ConfigExt as _};
use framework_core::{BoxError, Context, EventKind, Issue, Module, Registrar, SocketSource};
use framework_http::{Server, ServerSettings, StackService, drain};

use crate::{
    AdminError, AdminHandle, AdminSettings, Guard, codes, endpoints::router, state::Needs,
};

/// How long requests in flight may take when the listener closes.
const DRAIN: Duration = Duration::from_millis(500);

/// How many connections may be open: people, a scraper, and probes.
const MAX_CONNECTIONS: usize = 100;

/// Opens the operator's listener.
///
/// It is up before all modules but those that it shows, and answers until they have stopped. It
/// reads the section `admin`, and provides [`AdminHandle`].
///
/// # Examples
///
/// ```
/// use framework_admin::{AdminModule, AdminSettings};
///
/// let settings = AdminSettings { addr: "127.0.0.1:0".to_owned(), ..AdminSettings::default() };
/// let module = AdminModule::new().settings(settings);
/// assert_eq!(module.handle().local_addr(), None, "nothing has started yet");
/// ```
#[derive(Debug, Default)]
pub struct AdminModule {
    settings: Option<AdminSettings>,
    handle: AdminHandle,
}

impl AdminModule {
    /// Listens as the section `admin` of the configuration says.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes these settings instead of those in the configuration.
    #[must_use]
    pub fn settings(mut self, settings: AdminSettings) -> Self {
        self.settings = Some(settings);
        self
    }

    /// The handle that the module also provides as a value, for use outside of modules.
    #[must_use]
    pub fn handle(&self) -> AdminHandle {
        self.handle.clone()
    }
}

impl Module for AdminModule {
    fn name(&self) -> &'static str {
        "admin"
    }

    fn register(self, reg: &mut Registrar<'_>) {
        let Self { settings, handle } = self;
        reg.foundation();
        let settings = match settings {
            Some(settings) => Config::fixed(settings),
            None => reg.config::<AdminSettings>("admin"),
        };
        reg.provide_value(Arc::new(handle.clone()));
        let needs = Needs::declare(reg);

        let checked = settings.clone();
        // Where the configuration itself is wrong, that is told, and there is nothing to look at.
        reg.gate("admin", move |_view| {
            checked.try_get().and_then(|it| open(&it)).into_iter().collect()
        });

        let server = Arc::new(Mutex::new(None));
        let (bound, bind_settings) = (Arc::clone(&server), settings.clone());
        let held = reg.need_optional::<dyn SocketSource>();
        reg.setup("bind", move |cx| async move {
            let held = cx.get_optional(&held);
            let server = bind(&cx, &bind_settings.get(), held.as_ref(), &handle).await?;
            *bound.lock().unwrap_or_else(PoisonError::into_inner) = server;
            Ok(())
        });
        reg.run("serve", move |cx| async move {
            let server = server.lock().unwrap_or_else(PoisonError::into_inner).take();
            let guard = Guard::new(settings.get().token.clone());
            let router = router(needs.state(&cx), guard);
            Ok(serve(cx, server, router))
        });
    }
}

/// An issue if the listener would be open to everyone.
fn open(settings: &AdminSettings) -> Option<Issue> {
    settings.is_open().then(|| {
        Issue::new(&codes::OPEN, "the operator's listener is open to everyone")
            .evidence(format!("admin.addr = {:?}, which is not loopback", settings.addr))
            .evidence("admin.token is not set")
            .help("set `admin.token = \"${file:/run/secrets/admin-token}\"`")
            .help("or listen on loopback: `admin.addr = \"127.0.0.1:9090\"`")
    })
}

async fn bind(
    cx: &Context,
    settings: &AdminSettings,
    held: Option<&Arc<dyn SocketSource>>,
    handle: &AdminHandle,
) -> Result<Option<Server>, BoxError> {
    if !settings.enabled {
        return Ok(None);
    }
    let limits = ServerSettings::default().max_connections(MAX_CONNECTIONS);
    let server = Server::open(cx.module(), &settings.addr, held).await?.settings(limits);
    let address = server.local_addr();
    if !address.ip().is_loopback() && settings.token.expose().is_empty() {
        return Err(AdminError::Open { address }.into());
    }
    handle.set_local_addr(address);
    let url = format!("http://{address}");
    tracing::info!("operators find this application on {url}");
    cx.lifecycle().emit(EventKind::Listening { module: cx.module(), url });
    Ok(Some(server))
}

async fn serve(
    cx: Context,
    server: Option<Server>,
    router: StackService<axum::Router>,
) -> Result<(), BoxError> {
    let Some(server) = server else {
        cx.shutdown().await;
        return Ok(());
    };
    let (control, signal) = drain();
    let stop = async {
        cx.shutdown().await;
        control.stop_within(DRAIN);
        std::future::pending::<()>().await;
    };
    // What is cut off here is a look at something that is gone.
    tokio::select! {
        _ = server.serve(router, signal) => {}
        () = stop => {}
    }
    Ok(())
}
