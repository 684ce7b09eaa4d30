#pragma once

#include "storage/model/error.hpp"

namespace rowlock::ops {

// What the program ends with; the contract of the command line.
enum class exit_code : int {
    success = 0,
    execution_failed = 1,
    configuration = 2,     // bad input, bad settings, a refused request
    not_found = 3,         // in the registry
    protocol = 4,          // server or database unreachable, or an answer that makes no sense
    security = 5,          // refused: no or wrong token, missing permission
};

// For an answer of the server: 404 not_found; 401, 403 security; other 4xx configuration; the rest protocol.
exit_code exit_code_of_status(int http_status);

}
