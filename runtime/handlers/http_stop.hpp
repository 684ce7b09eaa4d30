#pragma once

#include "runtime/handlers/http_further_request.hpp"
#include "runtime/handlers/http_sender.hpp"

namespace rowlock::runtime {

// Is the work itself to end? An attempt that is handed back goes on elsewhere under the same id, and one whose lease is lost is somebody
// else's affair.
bool ends_the_work(stop_reason why);

// Calls the cancel_url, if there is one and the stop is to end the work: the target has `grace` to answer. `answer`: what it said first, null
// where there was no answer. True: it said yes. What goes wrong is a line in the execution's log.
awaitable<bool> tell_cancel(http_sender& sender, attempt& a, const http_handler& handler, const first_answer* answer, milliseconds grace);

}
