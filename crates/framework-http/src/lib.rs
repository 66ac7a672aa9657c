//! An HTTP server that modules give routes to, and that drains without losing a request.
