#pragma once

#include "api/request.hpp"
#include "api/response.hpp"
#include "runtime/async/types.hpp"
#include "storage/model/principal.hpp"

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace rowlock::api {

class request_context;
using handler = runtime::awaitable<response> (*)(request_context&);

struct route {
    method verb;
    std::string_view pattern;    // segments between slashes; {name} takes one whole segment
    permission needs;
    handler handle;
    bool is_socket = false;      // a WebSocket: a browser gives its token as a subprotocol
    std::size_t most_body = 0;   // bytes; 0: as many as the server takes
};

// Every route there is. The order is that of the contract; a route's index is its label in the metrics.
std::span<const route> all_routes();

// What a path has in the places of {name}, decoded.
class path_values {
public:
    static constexpr std::size_t most = 2;

    void add(std::string_view name, std::string_view value);
    void clear() { count_ = 0; }
    // "" where the pattern has no such name: a defect, which then finds nothing.
    std::string_view operator[](std::string_view name) const;

private:
    struct item {
        std::string_view name;
        std::string value;
    };
    std::array<item, most> items_{};
    std::size_t count_ = 0;
};

// Finds the route of a request. HEAD takes the route of GET. Pure but for `values`, whose memory is used again.
struct match {
    const route* found = nullptr;
    std::size_t index = 0;
    std::string allow{};         // methods of the path, where the path is known and the method is not
};
match find_route(std::span<const route> routes, method verb, std::string_view path, path_values& values);

// Percent-decoding. False: a '%' without two digits, or %00.
bool decode(std::string_view text, bool plus_is_space, std::string& out);

}
