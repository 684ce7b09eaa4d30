#include "api/budget.hpp"

#include <fmt/format.h>

namespace rowlock::api {

error no_room_for_body(bool for_good, const bounds& limits)
{
    if (for_good) return {errc::body_too_large, fmt::format("This takes more memory than the server has for everything that it receives, {} bytes.", limits.body_memory.most())};
    return {errc::overloaded, "What others have sent takes all the memory that there is for it. Try again later.", {}, std::chrono::seconds{1}};
}

error too_many_streams(const bounds& limits)
{
    return {errc::overloaded, fmt::format("The server has {} streams, followed logs and WebSockets, which is all it may. Try again later.", limits.streams.taken()), {},
            std::chrono::seconds{5}};
}

}
