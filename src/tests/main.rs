//! The tests of the program, one claim a file: each starts the real binary and asks it over sockets.

mod support;

mod a_shadow_is_seen_in_the_metrics;
mod a_shortage_of_descriptors_ends;
mod a_stop_under_load_loses_nothing;
mod a_store_is_read_whatever_is_done_beside_it;
mod a_store_that_is_damaged_is_said_to_be;
mod a_store_that_stops_fitting_is_seen;
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
mod the_process_starts_or_says_why_not;
