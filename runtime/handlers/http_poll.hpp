#pragma once

#include "runtime/handlers/http_sender.hpp"
#include "runtime/handlers/http_status.hpp"

#include <optional>

namespace rowlock::runtime {

// A job at its target that is asked for its status until it has ended (completion: poll). Each good answer is a sign of life. Decided in
// http_status, carried out here. All references outlive it.
class http_poll {
public:
    http_poll(http_sender& sender, const http_options& options, attempt& a, const http_handler& handler, http_call status)
        : sender_(sender), options_(options), attempt_(a), handler_(handler), status_(std::move(status))
    {
    }

    // What the job came to; none once the attempt is to stop. `first_wait`: what the target asked for; none: the interval.
    awaitable<std::optional<outcome>> run(std::optional<std::chrono::seconds> first_wait);

    // After a stop: asks until the job has ended, which is true, or `until`.
    awaitable<bool> has_ended_by(deadline until);

private:
    struct look {
        job_state state = job_state::running;
        boost::json::object body{};                  // of an end
        std::optional<failure> wrong{};              // it was a bad one
        bool final = false;
        std::optional<std::chrono::seconds> retry_after{};
    };
    awaitable<look> look_once(interruption by, deadline until);

    http_sender& sender_;
    const http_options& options_;
    attempt& attempt_;
    const http_handler& handler_;
    http_call status_;
};

}
