#pragma once

#include <boost/assert/source_location.hpp>
#include <boost/system/result.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock {

// Everything that can be expected to go wrong. The name on the wire and the HTTP status of each are in api/problem.cpp, the
// sentence in error.cpp.
enum class errc {
    malformed_json,        // not JSON, not an object, broken UTF-8
    malformed_http,
    invalid_request,       // well-formed, but fields are refused: see `fields`
    not_found,
    job_not_found,
    job_version_not_found,
    job_disabled,
    idempotency_key_reused,
    already_ended,
    not_retryable,
    not_waiting,           // nobody waits for this report
    signature_reused,      // a signed message that was taken in before
    version_conflict,      // If-Match does not hold
    dependency_cycle,      // the first of `fields` has a cycle_path
    invalid_cron,          // all that is wrong is a cron expression
    invalid_timezone,      // all that is wrong are names of time zones
    schedule_conflict,     // all that is wrong is that members of a schedule contradict each other
    policy_violation,      // all that is wrong is that a policy does not allow it
    budget_exceeded,       // what a policy lets be used is used up: 429
    unauthenticated,
    forbidden,
    method_not_allowed,
    body_too_large,
    headers_too_large,
    unsupported_media_type,
    request_timeout,
    upgrade_required,      // the path speaks WebSocket
    rate_limited,          // the caller's own limit: 429
    overloaded,            // the server's own bounds: 503
    resource_exhausted,    // the server is short of something, and takes only what is urgent: 503
    database_unavailable,  // 503
    stopping,              // 503
    lease_lost,            // this instance has been declared dead
    internal,
};

// One refused field. `field` is a path as in executions[17].job_id; `value` is JSON text of what was given ("" = it is missing).
struct field_error {
    std::string field;
    std::string value;
    std::string message;
    std::vector<std::string> cycle_path{};   // of dependencies that form a cycle: ids, each waited for by the next, the first again at the end
    errc kind = errc::invalid_request;       // of the refusal, where it has a code of its own
    bool operator==(const field_error&) const = default;
};

// An expected failure. `detail` says what was wrong, with the value, and what to do.
struct error {
    errc code = errc::internal;
    std::string detail;
    std::vector<field_error> fields{};
    std::optional<std::chrono::seconds> retry_after{};
};

std::string_view sentence(errc code);

template <class T>
using result = boost::system::result<T, error>;

// What result<T>::value() throws when there is none: a defect in the program, not in its input.
[[noreturn]] void throw_exception_from_error(const error& e, const boost::source_location& where);

}
