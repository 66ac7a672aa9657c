//! The codes of this crate's errors, each with its page.

use framework_core::ErrorCode;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $title:literal, $page:literal;)*) => {
        $(
            $(#[$doc])*
            pub static $name: ErrorCode = ErrorCode { id: $id, title: $title, page: $page };
        )*

        /// Every code of this crate, in order.
        pub static CODES: &[&ErrorCode] = &[$(&$name),*];
    };
}

codes! {
    /// Two modules have one name.
    DUPLICATE_MODULE = "E0101", "two modules have one name",
"Every module of an application has a name of its own: it labels logs, metrics and errors.

This comes from adding a module twice, or from two modules that happen to be called alike.

Remove one of them, or rename it. A test that swaps a module for a fake leaves the original out.";

    /// A required module is not there.
    MISSING_MODULE = "E0102", "a required module is not there",
"A module states with `reg.requires::<M>()` that it cannot work without `M`, and no module of
the application is an `M` or stands for it.

Add the module. In a test, let a fake declare `reg.stands_for::<M>()`. Where the other module is
welcome and not needed, `reg.after::<M>()` says so.";

    /// Modules wait for one another.
    CYCLE = "E0103", "modules form a cycle",
"A module starts when everything that it relies on has started. Here some modules rely on one
another in a circle, so none of them could be the first. The message shows the circle edge by edge,
each with the declaration that it comes from; breaking any one edge breaks the circle.

Most often one of the two sides needs only a part of the other: move that part into a module of
its own. A side that merely reacts to the other can subscribe to its events. An `after` that is a
preference can be removed.

    // before: orders needs stock, stock needs orders
    // after:  both need `reservations`, which needs neither";

    /// Values wait for one another.
    VALUE_CYCLE = "E0104", "values form a cycle",
"The making of a value takes other values. Here some values of one module take one another in a
circle, so none could be made first.

Take one of them as `Lazy<T>`: it is then read when it is wanted, after both have been made. Or
move what both want into a third value.";

    /// Nothing collects a contribution.
    UNCLAIMED = "E0105", "nothing collects a contribution",
"A module contributes something, such as a route, and no module of the application collects that
kind. The contribution would do nothing, and nobody would notice.

Add the module that collects the kind (the HTTP module for routes), or remove the contribution.";

    /// A required module has the wrong version.
    VERSION = "E0106", "a required module has the wrong version",
"A module states with `reg.requires_version::<M>(\">=1.2, <2\")` which versions of `M` it works
with. The `M` of this application has another version, or states none with `reg.version(\"1.4.0\")`;
or one of the two texts cannot be read as a version.

Take a version within the range, or widen the range.";

    /// Two modules cannot be together.
    CONFLICT = "E0107", "two modules cannot be together",
"A module states with `reg.conflicts::<M>()` that it cannot be in one application with `M`: two that
do the same work, or own the same thing.

Remove one of the two.";

    /// A module panicked while registering.
    REGISTER_PANICKED = "E0108", "a module panicked while registering",
"`Module::register` describes the module; it does no I/O and cannot fail. This one panicked.

Check arguments in the module's constructor, and move work into `reg.setup(…)`, where an error is
an answer.";

    /// A check of the plan panicked.
    GATE_PANICKED = "E0109", "a check of the plan panicked",
"A module added a check with `reg.gate(…)`, and the check panicked, so it is not known whether what
it looks at is in order.

Let the check return an issue instead. The message of the panic says where it happened.";

    /// A module's name is not kebab-case.
    MODULE_NAME = "E0110", "a module's name is not kebab-case",
"The name of a module labels logs, metrics and errors, and is part of file names and addresses. It
consists of lower-case letters, digits and single hyphens, and begins with a letter: `order-book`.";

    /// Nothing provides a value.
    MISSING_PROVIDER = "E0301", "nothing provides a value",
"Something needs a value of this type, and no module provides one.

Add the module that provides it, or provide it: `reg.inject(Thing::new)`. Types count, not their
names: `Arc<dyn Trait>` and the type behind it are two keys, joined by `reg.bind::<dyn Trait, T>()`;
and a type of one version of a crate is not that of another version. A value that may be absent is
taken as `Option<Arc<T>>`.";

    /// Several modules provide one value.
    DUPLICATE_PROVIDER = "E0302", "several providers of one value",
"One value serves the whole application, so a type has one provider. Here it has several, and which
one would win is anybody's guess.

Remove one; or wrap the type, or name the values (`provide_named`), if both are wanted; or say
`reg.replace(…)` where one is to take the other's place; or `reg.member(…)` in all of them, where
they are to be read together as `All<T>`.";

    /// A decorator without anything to decorate.
    DECORATOR_TARGET = "E0303", "a decorator has nothing to decorate",
"`reg.decorate(…)` wraps the value that some module provides, and no module provides this one.

Add the module that provides it, or remove the decorator.";

    /// A replacement without anything to replace.
    REPLACEMENT_TARGET = "E0304", "a replacement has nothing to replace",
"`reg.replace(…)` takes the place of the value that some module provides, and no module provides
this one. Perhaps its type has changed.

Provide the value in the ordinary way, or replace the type that is provided now.";

    /// A singleton holds a scoped value.
    CAPTIVE = "E0311", "a singleton would keep a scoped value alive",
"A scoped value lives as long as a request, a message or a job. A singleton lives as long as the
application. A singleton that takes a scoped value, itself or through what it takes, would keep the
first one for ever: every later request would see the data of the first.

Make the holder scoped; or let it take a factory of scopes and open a scope for each piece of work;
or let the scoped value be passed as an argument of the method that uses it.";

    /// Module code reads a scoped value.
    SCOPED_FROM_ROOT = "E0312", "a scoped value is needed outside a scope",
"A scoped value lives as long as a request, a message or a job, and the code of a module runs
outside all of them, so there is no value to read.

Read it where the scope is: in a handler, or in another scoped value.";
}
