#pragma once

#include "runtime/execute/submit.hpp"
#include "storage/model/json_fields.hpp"

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rowlock::api {

// One submission as a client writes it. Views of the parsed body; no I/O, no database.
struct submission_body {
    std::string_view job_id;
    const boost::json::object* parameters = nullptr;     // null: none
    int priority = 0;                                    // 0: the definition's
    std::optional<timestamp> scheduled_time{};
    std::string_view idempotency_key{};                  // "": none
    std::string_view correlation_id{};                   // "": none
    int job_version = 0;                                 // 0: the current one
    const boost::json::object* tags = nullptr;           // null: none
    bool ignore_dependencies = false;                    // it does not wait for the jobs that its job depends on
};

inline constexpr std::size_t most_in_a_batch = 10'000;

// Reads one submission; what is wrong is added to `errors` with paths below `path` ("", or "executions[17]").
void read_submission(const boost::json::object& body, std::string_view path, field_errors& errors, submission_body& out);
// Reads {"executions": [...]}. A key that comes twice is refused.
void read_batch(const boost::json::object& body, field_errors& errors, std::vector<submission_body>& out);
// The list of them alone; null: it is missing. Its path is `executions`.
void read_submissions(const boost::json::value* given, field_errors& errors, std::vector<submission_body>& out);
// Refuses U+0000 in any key or string. `text` is the body as it came: where it has no such escape there is nothing to look through.
void refuse_nul(const boost::json::object& body, std::string_view text, field_errors& errors);

// "" where `key` may be an idempotency key, otherwise why not.
std::string_view refusal_of_key(std::string_view key);

// The request as repeats are compared (I1): only what differs from the request's own defaults.
void append_key_request(std::string& out, const submission_body& given);

// The definition's defaults, overridden at the top level, as JSON text.
std::string merge_parameters(const job_version& job, const boost::json::object* own);

}
