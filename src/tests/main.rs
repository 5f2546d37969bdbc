//! The tests of the program, one claim a file: each starts the real binary and asks it over sockets.

mod support;

mod a_shadow_is_seen_in_the_metrics;
mod a_shortage_of_descriptors_ends;
mod a_stop_under_load_loses_nothing;
mod a_takeover_refuses_nobody;
mod commands_say_what_would_be_served;
mod connections_are_steered_to_their_core;
mod imports_are_seen_whole_while_serving;
mod models_are_loaded_and_unloaded_by_request;
mod operators_hear_what_was_wrong;
mod predictions_are_logged_and_scored_again;
mod sampled_requests_are_logged;
mod signals_are_obeyed;
mod sockets_that_systemd_holds_stay_open;
mod strangers_do_not_hold_up_the_admin_port;
mod the_process_starts_or_says_why_not;
mod what_the_system_allows_bounds_connections;
