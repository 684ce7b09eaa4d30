#pragma once

#include "runtime/handlers/failure.hpp"
#include "runtime/handlers/handlers.hpp"
#include "runtime/handlers/http_sender.hpp"

namespace rowlock::runtime {

// Calls other services (spec W2), and the hooks around the work (S5). One for each core, used on it.
class http_caller {
public:
    http_caller(io_executor executor, http_options options);

    // As handlers::perform.
    awaitable<outcome> call(attempt& a, const http_handler& handler);

    // Sends the hook before the work. An outcome where the work is not to be done: HOOK_FAILED, or the stop.
    awaitable<std::optional<outcome>> before(attempt& a, const http_hook& hook);
    // Sends the hook after the work; what goes wrong is a line in the execution's log.
    awaitable<void> after(attempt& a, const http_hook& hook, execution_status end);

    std::size_t idle_connections() const { return sender_.idle_connections(); }

private:
    awaitable<attempted<http_call>> start_call(attempt& a, const http_handler& handler, const callback_address* callback);
    awaitable<outcome> call_for_reply(attempt& a, const http_handler& handler);
    awaitable<outcome> call_and_poll(attempt& a, const http_handler& handler);
    awaitable<outcome> call_and_listen(attempt& a, const http_handler& handler);

    http_options options_;
    http_sender sender_;
};

}
