use std::sync::{Arc, Mutex, PoisonError};

use framework_config::{Config, ConfigExt as _};
use framework_core::{BoxError, Context, Issue, Need, OptionalNeed, Registrar};
use framework_observability::Metrics;

use crate::{Client, ClientsSettings, codes};

/// Words for [`Registrar`] about HTTP clients.
pub trait ClientExt: sealed::Sealed {
    /// Makes the client that the section `clients.<name>` describes, and provides it as the
    /// [`Client`] called `name`: other modules declare the need of it by that name.
    ///
    /// # Panics
    ///
    /// Panics if `name` is not of the form `snake_case`, which is the form of all keys.
    ///
    /// # Examples
    ///
    /// ```
    /// use framework_client::ClientExt;
    /// use framework_core::module_fn;
    ///
    /// let ordering = module_fn("ordering", |reg| {
    ///     let payments = reg.client("payments");
    ///     reg.setup("see-whether-it-is-there", move |cx| async move {
    ///         cx.get(&payments).get("/livez").send().await?;
    ///         Ok(())
    ///     });
    /// });
    /// # let _ = ordering;
    /// ```
    #[track_caller]
    fn client(&mut self, name: &'static str) -> Need<Client>;

    /// As [`client`](Self::client), as a type of its own, by which it is found and injected.
    ///
    /// # Panics
    ///
    /// Panics if `name` is not of the form `snake_case`.
    #[track_caller]
    fn client_as<T>(&mut self, name: &'static str) -> Need<T>
    where
        T: From<Client> + Send + Sync + 'static;
}

/// The clients that modules declare, to be compared with those that something is set for.
#[derive(Default)]
struct Declared(Arc<Mutex<Vec<&'static str>>>);

/// What a client is made of once its module starts.
struct Parts {
    name: &'static str,
    settings: Config<ClientsSettings>,
    metrics: OptionalNeed<Metrics>,
}

impl ClientExt for Registrar<'_> {
    #[track_caller]
    fn client(&mut self, name: &'static str) -> Need<Client> {
        let parts = Parts::declare(self, name);
        self.provide_named(name, move |cx| async move { parts.make(&cx).map(Arc::new) })
    }

    #[track_caller]
    fn client_as<T>(&mut self, name: &'static str) -> Need<T>
    where
        T: From<Client> + Send + Sync + 'static,
    {
        let parts = Parts::declare(self, name);
        self.provide(move |cx| async move { parts.make(&cx).map(T::from) })
    }
}

impl Parts {
    #[track_caller]
    fn declare(reg: &mut Registrar<'_>, name: &'static str) -> Self {
        let snake_case = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
        let good = name.starts_with(|first: char| first.is_ascii_lowercase());
        assert!(good && name.bytes().all(snake_case), "`{name}` is not in `snake_case`");
        let settings = reg.config::<ClientsSettings>("clients");
        let declared = Arc::clone(&reg.shared::<Declared>().0);
        let mut names = declared.lock().unwrap_or_else(PoisonError::into_inner);
        let first = names.is_empty();
        names.push(name);
        drop(names);
        if first {
            let settings = settings.clone();
            reg.gate("clients", move |_| {
                let declared = declared.lock().unwrap_or_else(PoisonError::into_inner);
                // What cannot be read is told by those who read it.
                settings.try_get().map_or_else(Vec::new, |settings| unknown(&settings, &declared))
            });
        }
        Self { name, settings, metrics: reg.need_optional::<Metrics>() }
    }

    fn make(&self, cx: &Context) -> Result<Client, BoxError> {
        let mut builder = Client::builder(self.name, self.settings.get().of(self.name));
        if let Some(metrics) = cx.get_optional(&self.metrics) {
            builder = builder.metrics(metrics.http_client().clone());
        }
        Ok(builder.build()?)
    }
}

fn unknown(settings: &ClientsSettings, declared: &[&str]) -> Vec<Issue> {
    let unknown = settings.names().filter(|name| !declared.contains(name));
    let issue = |name: &str| {
        let issue = Issue::new(
            &codes::UNKNOWN_CLIENT,
            format!("`clients.{name}` is set, and no module declares that client"),
        );
        let near = |known: &&&str| (strsim::jaro_winkler(name, known) * 1000.0) as u32;
        match declared.iter().max_by_key(near) {
            Some(nearest) if strsim::jaro_winkler(name, nearest) > 0.8 => {
                issue.help(format!("is `clients.{nearest}` meant?"))
            }
            _ => issue.help(format!("there are: {}", declared.join(", "))),
        }
    };
    unknown.map(issue).collect()
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for framework_core::Registrar<'_> {}
}
