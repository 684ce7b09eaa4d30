#pragma once

#include "runtime/async/types.hpp"
#include "storage/model/execution.hpp"

#include <functional>
#include <optional>
#include <string>

namespace rowlock::runtime {

// Where the target of a job that is ended by a webhook reports, and what it signs its reports with.
struct callback_address {
    std::string url;
    std::string secret;
};

// What a target has reported of an attempt, the latest where there were several.
struct callback_report {
    execution_status status = execution_status::running;    // running, completed or failed
    std::optional<double> progress{};
    std::string body{};                              // of an end: JSON object text
};

// What an attempt listens on.
struct callback_line {
    callback_address address;
    std::optional<callback_report> ended{};          // the end was reported before: the attempt was handed over by another instance
};

// How attempts come by what is reported of them. `open` returns when reports can be taken in, on any instance; from then on `heard` is called
// on the caller's core with each, until close(), and perhaps once more after it. `close` forgets the attempt: later reports are refused.
struct callback_functions {
    using heard = std::function<void(callback_report)>;
    std::function<awaitable<result<callback_line>>(const assignment& work, heard)> open{};
    std::function<void(execution_id)> close{};
    // The attempt goes on under the same id on another instance, which opens it again.
    std::function<void(execution_id)> leave{};
};

}
