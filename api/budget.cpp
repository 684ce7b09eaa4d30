#include "api/budget.hpp"

#include <fmt/format.h>

namespace rowlock::api {

error too_many_streams(const bounds& limits)
{
    return {errc::overloaded, fmt::format("The server has {} streams, followed logs and WebSockets, which is all it may. Try again later.", limits.streams.taken()), {},
            std::chrono::seconds{5}};
}

}
