use std::{fmt, ops::Deref, sync::Arc};

use framework_core::{AllNeed, Registrar};

use crate::{Inject, InjectError, Resolver};

/// Every value of a type, in the order of registration: the one, those with names, and the
/// [members](crate::InjectExt::member). Without any, it is empty.
///
/// # Examples
///
/// ```
/// use framework_di::All;
///
/// trait Rule: Send + Sync {
///     fn allows(&self, order: &str) -> bool;
/// }
///
/// struct Checkout {
///     rules: All<dyn Rule>,
/// }
///
/// impl Checkout {
///     fn accepts(&self, order: &str) -> bool {
///         self.rules.iter().all(|rule| rule.allows(order))
///     }
/// }
/// ```
pub struct All<T: ?Sized> {
    values: Box<[Arc<T>]>,
}

impl<T: ?Sized> Deref for All<T> {
    type Target = [Arc<T>];

    fn deref(&self) -> &Self::Target {
        &self.values
    }
}

impl<T: ?Sized + Send + Sync + 'static> Inject for All<T> {
    type Needs = AllNeed<T>;

    #[track_caller]
    fn declare(reg: &mut Registrar<'_>) -> Self::Needs {
        reg.need_all()
    }

    fn resolve(needs: &Self::Needs, from: &Resolver<'_>) -> Result<Self, InjectError> {
        // An optional module that failed leaves its values out.
        let values = needs.slots().iter().filter_map(|slot| from.find(slot).transpose());
        Ok(Self { values: values.collect::<Result<_, _>>()? })
    }
}

/// For tests: the values that a test puts in.
impl<T: ?Sized> FromIterator<Arc<T>> for All<T> {
    fn from_iter<I: IntoIterator<Item = Arc<T>>>(values: I) -> Self {
        Self { values: values.into_iter().collect() }
    }
}

impl<'a, T: ?Sized> IntoIterator for &'a All<T> {
    type Item = &'a Arc<T>;
    type IntoIter = std::slice::Iter<'a, Arc<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.values.iter()
    }
}

impl<T: ?Sized> Clone for All<T> {
    fn clone(&self) -> Self {
        Self { values: self.values.clone() }
    }
}

impl<T: ?Sized> fmt::Debug for All<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("All")
            .field("type", &std::any::type_name::<T>())
            .field("len", &self.values.len())
            .finish()
    }
}
