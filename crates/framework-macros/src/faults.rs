/// What is wrong with an item, all of it, so that nobody mends one fault to find the next.
#[derive(Default)]
pub(crate) struct Faults {
    found: Option<syn::Error>,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: syn::Error) {
        match &mut self.found {
            Some(found) => found.combine(fault),
            None => self.found = Some(fault),
        }
    }

    /// Keeps the fault and goes on with a default, which is not used in the end.
    pub(crate) fn take<T: Default>(&mut self, read: syn::Result<T>) -> T {
        read.unwrap_or_else(|fault| {
            self.add(fault);
            T::default()
        })
    }

    pub(crate) fn into_result<T>(self, value: T) -> syn::Result<T> {
        self.found.map_or(Ok(value), Err)
    }
}
