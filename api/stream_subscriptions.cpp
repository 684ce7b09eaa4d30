#include "api/stream_subscriptions.hpp"

#include <fmt/format.h>

namespace rowlock::api {

stream_subscriptions::~stream_subscriptions()
{
    if (follower_) runtime::change_watch::close(*follower_);
}

runtime::awaitable<result<void>> stream_subscriptions::add(std::string id, tenant_key tenant, runtime::follow_targets targets)
{
    if (tokens_.contains(id)) co_return error{errc::invalid_request, "Another subscription has this id. Use a new one, or end the other first.", {{"id", id, "is in use"}}};
    if (tokens_.size() >= most) {
        co_return error{errc::rate_limited, fmt::format("A stream may have {} subscriptions. End one, or name several executions in one.", most), {}, std::chrono::seconds{1}};
    }
    if (!follower_) follower_ = std::make_shared<runtime::change_follower>(home_);
    const auto token = ++last_token_;
    // Before the first mail can come.
    tokens_.emplace(id, token);
    ids_.emplace(token, id);
    auto begun = co_await watch_.follow(follower_, token, tenant, std::move(targets));
    if (!begun) {
        tokens_.erase(id);
        ids_.erase(token);
    }
    co_return begun;
}

result<void> stream_subscriptions::remove(const std::string& id)
{
    const auto at = tokens_.find(id);
    if (at == tokens_.end()) return error{errc::invalid_request, "There is no subscription with this id.", {{"id", id, "is not the id of a subscription"}}};
    watch_.unfollow(*follower_, at->second);
    ids_.erase(at->second);
    tokens_.erase(at);
    return {};
}

std::string_view stream_subscriptions::id_of(std::uint64_t token) const
{
    const auto at = ids_.find(token);
    return at == ids_.end() ? std::string_view{} : at->second;
}

}
