//! Derives for the framework; expansions are code that one could write by hand.
