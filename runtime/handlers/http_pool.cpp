#include "runtime/handlers/http_pool.hpp"

#include <filesystem>
#include <fmt/format.h>

namespace rowlock::runtime {

namespace ssl = boost::asio::ssl;

namespace {

// Definitions name few files of authorities; more than this is somebody trying.
constexpr std::size_t most_contexts = 256;

std::string version_of(const std::string& file)
{
    std::error_code ec;
    const auto changed = std::filesystem::last_write_time(file, ec);
    return ec ? std::string() : std::to_string(changed.time_since_epoch().count());
}

}

http_pool::http_pool(io_executor executor, int most_idle, std::chrono::milliseconds idle_time)
    : shelf_(std::make_shared<shelf>(shelf{{}, steady_timer(executor)})), most_idle_(static_cast<std::size_t>(std::max(most_idle, 0))), idle_time_(idle_time)
{
}

http_pool::~http_pool()
{
    shelf_->expiry.cancel();
    shelf_->connections.clear();
}

std::unique_ptr<http_connection> http_pool::take(const http_origin& origin)
{
    auto& all = shelf_->connections;
    for (auto at = all.end(); at != all.begin();) {
        --at;
        if (at->origin != origin) continue;
        auto connection = std::move(at->connection);
        at = all.erase(at);
        if (connection->still_open()) return connection;
    }
    return nullptr;
}

void http_pool::put(http_origin origin, std::unique_ptr<http_connection> connection)
{
    auto& all = shelf_->connections;
    if (most_idle_ == 0) return;
    if (all.size() >= most_idle_) all.pop_front();
    all.push_back({std::move(origin), std::move(connection), steady_clock::now() + idle_time_});
    if (all.size() == 1) expire(shelf_);
}

std::size_t http_pool::size() const
{
    return shelf_->connections.size();
}

// Closes what has been idle too long, and sets the timer for what comes next. Times in the list only grow.
void http_pool::expire(const std::shared_ptr<shelf>& what)
{
    auto& all = what->connections;
    while (!all.empty() && all.front().until <= steady_clock::now()) all.pop_front();
    if (all.empty()) return;
    what->expiry.expires_at(all.front().until);
    what->expiry.async_wait([weak = std::weak_ptr(what)](const boost::system::error_code& ec) {
        if (const auto still = weak.lock(); still && !ec) expire(still);
    });
}

attempted<std::shared_ptr<ssl::context>> http_pool::context(const http_origin& origin)
{
    if (!origin.tls) return std::shared_ptr<ssl::context>();
    const auto key = fmt::format("{}\n{}\n{}", origin.verify, origin.ca_file, version_of(origin.ca_file));
    if (const auto known = contexts_.find(key); known != contexts_.end()) return known->second;

    auto made = std::make_shared<ssl::context>(ssl::context::tls_client);
    SSL_CTX_set_min_proto_version(made->native_handle(), TLS1_2_VERSION);
    boost::system::error_code ec;
    if (origin.verify) {
        made->set_verify_mode(ssl::verify_peer);
        if (origin.ca_file.empty()) made->set_default_verify_paths(ec);
        else made->load_verify_file(origin.ca_file, ec);
    } else {
        made->set_verify_mode(ssl::verify_none);
    }
    if (ec) return invalid_config(fmt::format("the file of certificate authorities {} cannot be read: {}", origin.ca_file, ec.message()));
    if (contexts_.size() >= most_contexts) contexts_.clear();
    contexts_.emplace(key, made);
    return made;
}

}
