#pragma once

#include "runtime/handlers/http_request.hpp"

#include <boost/json/value.hpp>

// The requests beside the one that starts the work. All are pure and fail with INVALID_CONFIG, or with what they say beside it.
namespace rowlock::runtime {

// What a target said first: where it was in the end, and its body if that is a JSON object, else null. What templates call `reply`.
struct first_answer {
    url from;
    boost::json::value body{};
    std::string location{};                          // the header; empty: none
};

// GET of the status URL that the definition or the first answer names. What the definition's headers hold is told to the origin of the job
// and to one that the definition writes out. Also: INVALID_RESULT where nothing names a status URL, or what names it is no address;
// PERMISSION_DENIED where the answer leads from https to http.
attempted<http_call> make_status_call(const http_handler& handler, const assignment& work, const first_answer& answer);

// POST that tells the target that the attempt is to stop: {"execution_id", "run_id", "reason"}. `answer` is null where there was none.
attempted<http_call> make_cancel_call(const http_handler& handler, const assignment& work, const first_answer* answer, std::string_view reason);

// A hook; `status` is what the work came to, empty before it. `when` is "before" or "after".
attempted<http_call> make_hook_call(const http_hook& hook, const assignment& work, std::string_view when, std::string_view status);

}
