use std::{fmt, sync::Arc};

use framework_core::{DeferredError, NeedMode, Registrar, Slot};

use crate::{Inject, InjectError, InjectNamed, Resolver, on_demand::OnDemand};

/// A singleton that is made when somebody first asks for it, and not before: something costly that
/// may never be wanted.
///
/// If others take the value as `Arc<T>` it is made at start like any other, and `Lazy` merely reads
/// it. Two values that need each other can do so if one takes the other as `Lazy`.
///
/// # Examples
///
/// ```
/// use framework_di::Lazy;
///
/// struct Typesetter;
///
/// struct Invoices {
///     typesetter: Lazy<Typesetter>,
/// }
///
/// impl Invoices {
///     async fn print(&self) -> Result<(), Box<dyn std::error::Error>> {
///         let typesetter = self.typesetter.get().await?;
///         # let _ = typesetter;
///         Ok(())
///     }
/// }
/// ```
pub struct Lazy<T: ?Sized> {
    slot: Arc<Slot<T>>,
}

impl<T: ?Sized + Send + Sync + 'static> Lazy<T> {
    /// The value, made now if nobody asked before; however many ask at once, it is made once.
    ///
    /// # Errors
    ///
    /// Returns an error if the value cannot be made, and the same one each time.
    ///
    /// # Cancel safety
    ///
    /// When this future is dropped, the value goes on being made by whoever asks next.
    pub async fn get(&self) -> Result<Arc<T>, DeferredError> {
        self.slot.resolve().await
    }

    /// The value, if it has been made.
    #[must_use]
    pub fn get_if_made(&self) -> Option<Arc<T>> {
        self.slot.get()
    }
}

impl<T: ?Sized + Send + Sync + 'static> Inject for Lazy<T> {
    type Needs = Arc<Slot<T>>;

    #[track_caller]
    fn declare(reg: &mut Registrar<'_>) -> Self::Needs {
        reg.need_with(None, NeedMode::Lazy)
    }

    fn resolve(needs: &Self::Needs, _from: &Resolver<'_>) -> Result<Self, InjectError> {
        match needs.recipe::<OnDemand<T>>() {
            // A singleton may have taken the place of a value that was made on demand.
            Some(recipe) if needs.get().is_none() => {
                Err(InjectError::NotLazy { wanted: needs.key(), lifetime: recipe.lifetime() })
            }
            _ => Ok(Self { slot: Arc::clone(needs) }),
        }
    }
}

impl<T: ?Sized + Send + Sync + 'static> InjectNamed for Lazy<T> {
    #[track_caller]
    fn declare_named(reg: &mut Registrar<'_>, name: &'static str) -> Self::Needs {
        reg.need_with(Some(name), NeedMode::Lazy)
    }
}

impl<T: ?Sized> Clone for Lazy<T> {
    fn clone(&self) -> Self {
        Self { slot: Arc::clone(&self.slot) }
    }
}

impl<T: ?Sized + Send + Sync + 'static> fmt::Debug for Lazy<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lazy")
            .field("key", &self.slot.key())
            .field("made", &self.slot.get().is_some())
            .finish()
    }
}
