#pragma once

#include "runtime/execute/change_watch.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace rowlock::api {

// What one stream follows, by the ids that its client has given. On the stream's core.
class stream_subscriptions {
public:
    // More are refused.
    static constexpr std::size_t most = 1000;

    // `watch` outlives it.
    stream_subscriptions(runtime::change_watch& watch, runtime::core& home) : watch_(watch), home_(home) {}
    ~stream_subscriptions();
    stream_subscriptions(const stream_subscriptions&) = delete;
    stream_subscriptions& operator=(const stream_subscriptions&) = delete;

    // `id` is JSON text. Errors: rate_limited (too many), invalid_request where the id is in use, and those of change_watch::follow.
    runtime::awaitable<result<void>> add(std::string id, tenant_key tenant, runtime::follow_targets targets);
    // Error invalid_request: nothing is followed under this id.
    result<void> remove(const std::string& id);

    // Whom the mail comes to; null before the first add().
    const std::shared_ptr<runtime::change_follower>& follower() const { return follower_; }
    // The id of a piece of mail; "" where it is not followed any more.
    std::string_view id_of(std::uint64_t token) const;

private:
    runtime::change_watch& watch_;
    runtime::core& home_;
    std::shared_ptr<runtime::change_follower> follower_{};
    std::unordered_map<std::string, std::uint64_t> tokens_{};
    std::unordered_map<std::uint64_t, std::string> ids_{};
    std::uint64_t last_token_ = 0;
};

}
