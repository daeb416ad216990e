//! The pure core, a state machine without clock, thread, file or socket.
