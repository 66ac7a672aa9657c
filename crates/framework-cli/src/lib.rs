//! The verbs of every application: serve, check, graph, config.
