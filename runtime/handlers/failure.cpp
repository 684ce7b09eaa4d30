#include "runtime/handlers/failure.hpp"

#include <stdexcept>
#include <utility>

namespace rowlock::runtime {

outcome failed(failure why)
{
    outcome o;
    o.status = execution_status::failed;
    o.error_code = std::move(why.code);
    o.error_message = std::move(why.message);
    return o;
}

failure invalid_config(std::string message)
{
    return {"INVALID_CONFIG", std::move(message)};
}

failure permission_denied(std::string message)
{
    return {"PERMISSION_DENIED", std::move(message)};
}

void throw_exception_from_error(const failure& why, const boost::source_location&)
{
    throw std::logic_error("a failure was taken for a value: " + why.message);
}

}
