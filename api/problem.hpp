#pragma once

#include "api/response.hpp"
#include "storage/model/error.hpp"

namespace rowlock::api {

// How an expected failure looks on the wire. The one place where errc meets HTTP.
struct problem_kind {
    std::string_view code;       // stable: clients compare it
    int status;
};
problem_kind kind_of(errc code);
// The status of this failure: what a path names and is not there is 404; what a body names and is not there is 422.
int status_of(const error& e);

// Fills `reply` with application/problem+json: type, title, status, detail, code, `errors` where fields are refused, `retry_after` in seconds
// for 429 and 503. Adds Retry-After to these, WWW-Authenticate to 401, Upgrade to 426. Errors that end the connection set `close`.
void write_problem(response& reply, const error& e);
response problem(const error& e);
// The JSON alone, for replies that hold a problem inside.
void append_problem(std::string& out, const error& e);

error not_found(std::string detail);

}
