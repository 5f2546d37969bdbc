//! The tests of the program, one claim a file: each starts the real binary and asks it over sockets.

mod support;

mod a_shadow_is_seen_in_the_metrics;
mod a_shortage_of_descriptors_ends;
mod a_start_says_what_to_try;
mod a_stop_under_load_loses_nothing;
mod a_takeover_is_between_one_users_processes;
mod a_takeover_refuses_nobody;
mod commands_list_what_is_there;
mod commands_may_be_cut_off_by_their_reader;
mod commands_say_what_would_be_served;
mod connections_are_steered_to_their_core;
mod foreign_text_reaches_no_terminal_as_it_is;
mod imports_are_seen_whole_while_serving;
mod imports_say_what_was_taken;
mod models_are_loaded_and_unloaded_by_request;
mod operators_hear_what_was_wrong;
mod predictions_are_logged_and_scored_again;
mod sampled_requests_are_logged;
mod signals_are_obeyed;
mod sockets_that_systemd_holds_stay_open;
mod the_live_page_hears_of_models_and_the_store;
mod the_process_starts_or_says_why_not;
