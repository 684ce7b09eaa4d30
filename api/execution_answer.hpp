#pragma once

#include "api/context.hpp"

namespace rowlock::api {

// The answer of a route that has made or changed an execution: it, whole. 201 has its Location. What was done stays done: where it cannot be read at
// this moment, its id alone is the answer.
runtime::awaitable<response> answer_execution(request_context& rq, int status, execution_id id);

}
