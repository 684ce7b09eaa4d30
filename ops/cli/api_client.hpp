#pragma once

#include "ops/cli/base_url.hpp"
#include "ops/cli/http_client.hpp"
#include "ops/cli/refusal.hpp"

#include <boost/json/value.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace rowlock::ops {

// Where the server is, and who asks.
struct server_access {
    std::string url;
    std::string token{};                     // empty: none
    std::string tenant{};                    // empty: the token's own
};

struct api_reply {
    int status = 0;
    boost::json::value body;                 // null where there is none
};

// The server's routes in terms of JSON. Whatever is not a 2xx with JSON (or 204) is a refusal with the exit code that goes with it.
class api_client {
public:
    explicit api_client(server_access access) : access_(std::move(access)) {}

    outcome_of<api_reply> get(const target& at, std::chrono::seconds time_limit = std::chrono::seconds{30});
    outcome_of<api_reply> put(const target& at, const boost::json::value& body);
    // With an idempotency key the request is repeated if a kept connection turns out to be dead.
    outcome_of<api_reply> post(const target& at, const boost::json::value& body, const std::string& idempotency_key = {});
    outcome_of<api_reply> remove(const target& at);

    // Replies that are no JSON, as they are.
    outcome_of<std::string> get_text(const target& at);
    outcome_of<std::string> post_text(const target& at, const boost::json::value& body);

    // The text of a reply, in pieces as they come.
    std::optional<refusal> stream(const target& at, const http_client::piece_sink& sink);

    // All pages of a list, one after the other, up to `limit` items: {"items": [...], "next_cursor": ...}.
    outcome_of<boost::json::value> list(const target& at, std::size_t limit);

    // Any reply as it is, for doctor. A refusal only where there is none.
    outcome_of<http_reply> probe(const target& at);

private:
    outcome_of<http_client*> connection();
    outcome_of<http_reply> exchange(const http_request& request);
    outcome_of<api_reply> call(http_request request);

    server_access access_;
    std::unique_ptr<http_client> http_{};
};

}
