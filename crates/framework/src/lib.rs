//! An application framework: modules, dependency injection, configuration, HTTP and operations.
