#include "ops/cli/exit_code.hpp"

namespace rowlock::ops {

exit_code exit_code_of_status(int http_status)
{
    if (http_status >= 200 && http_status < 300) return exit_code::success;
    if (http_status == 404) return exit_code::not_found;
    if (http_status == 401 || http_status == 403) return exit_code::security;
    if (http_status >= 400 && http_status < 500) return exit_code::configuration;
    return exit_code::protocol;
}

}
