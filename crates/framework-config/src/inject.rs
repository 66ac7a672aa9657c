use std::any::{TypeId, type_name};

use framework_core::{Registrar, short_type_name};
use framework_di::{Inject, InjectError, Resolver};

use crate::{
    config::Config,
    module::{self, Reader},
    settings::Settings,
};

/// The one section of the application that some module claims as a `T`.
impl<T: Settings> Inject for Config<T> {
    type Needs = Self;

    #[track_caller]
    fn declare(reg: &mut Registrar<'_>) -> Self::Needs {
        let type_name = short_type_name(type_name::<T>());
        reg.contribute(Reader { type_id: TypeId::of::<T>(), type_name });
        Self::of_type(module::link(reg))
    }

    fn resolve(needs: &Self::Needs, _from: &Resolver<'_>) -> Result<Self, InjectError> {
        Ok(needs.clone())
    }
}
