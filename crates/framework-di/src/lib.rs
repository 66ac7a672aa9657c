//! Constructor injection: what a function takes is what a module needs.
