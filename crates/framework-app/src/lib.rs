//! Runs a plan: starts modules by data flow, supervises them, and stops them in reverse.
