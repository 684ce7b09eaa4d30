#pragma once

#include "runtime/handlers/attempt.hpp"
#include "runtime/handlers/failure.hpp"
#include "runtime/handlers/handlers.hpp"
#include "runtime/handlers/http_pool.hpp"
#include "runtime/handlers/http_request.hpp"

#include <memory>

namespace rowlock::runtime {

// What may end a wait before its deadline: the request to stop an attempt, or nothing.
class interruption {
public:
    // Nothing does: for what is done because the attempt was asked to stop, and for what is said of its end.
    interruption() = default;
    explicit interruption(attempt& a) : attempt_(&a) {}

    bool came() const { return attempt_ != nullptr && attempt_->stopped() != stop_reason::none; }

    // While it lives, a request to stop calls `what.cancel()`.
    template <class Waiting>
    class of_wait {
    public:
        of_wait(interruption by, Waiting& what) : attempt_(by.attempt_)
        {
            if (attempt_ != nullptr) attempt_->on_stop([&what] { what.cancel(); });
        }
        ~of_wait()
        {
            if (attempt_ != nullptr) attempt_->on_stop({});
        }
        of_wait(const of_wait&) = delete;
        of_wait& operator=(const of_wait&) = delete;

    private:
        attempt* attempt_;
    };

private:
    attempt* attempt_ = nullptr;
};

// Waits until then; false where it was interrupted. Throws operation_aborted where the coroutine itself is cancelled.
awaitable<bool> wait_until(interruption by, deadline until);

// Throws operation_aborted where the coroutine has been cancelled: what came of its waits then says nothing about the job.
awaitable<void> end_if_cancelled();

struct http_answer {
    http_reply reply;
    url from;                                        // where the last redirect led
};

// Sends requests over connections that it keeps. One for each core, used on it.
class http_sender {
public:
    http_sender(io_executor executor, const http_options& options);

    // The answer, redirects followed as far as the definition allows. Fails with CONNECTION_FAILED, OUTPUT_LIMIT, PERMISSION_DENIED,
    // INVALID_CONFIG, or, where it was interrupted, with something that means nothing. `handler` outlives it.
    awaitable<attempted<http_answer>> send(interruption by, const http_handler& handler, http_call call, deadline until);

    std::size_t idle_connections() const { return pool_.size(); }

private:
    awaitable<attempted<http_reply>> ask(interruption by, const http_handler& handler, const http_call& call, deadline until);
    awaitable<attempted<std::unique_ptr<http_connection>>> connected(interruption by, const http_origin& origin, const url& to, deadline until);

    io_executor executor_;
    bool allow_private_addresses_;
    http_pool pool_;
};

}
