#include "runtime/handlers/name_lookup.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <fmt/format.h>
#include <optional>

namespace rowlock::runtime {

namespace asio = boost::asio;
using boost::system::error_code;
using resolver = asio::ip::basic_resolver<asio::ip::tcp, io_executor>;

// Shared with the resolver's handler, which may come after its caller has gone.
struct name_lookup::answer {
    explicit answer(io_executor executor) : system(executor), arrived(executor, no_deadline) {}

    resolver system;
    steady_timer arrived;
    std::optional<error_code> error;
    std::vector<asio::ip::address> addresses;
    bool cancelled = false;
};

name_lookup::name_lookup(io_executor executor) : answer_(std::make_shared<answer>(executor)) {}

void name_lookup::cancel()
{
    answer_->cancelled = true;
    answer_->system.cancel();
    answer_->arrived.cancel();
}

awaitable<attempted<std::vector<asio::ip::address>>> name_lookup::find(std::string host, deadline until)
{
    error_code ec;
    if (const auto literal = asio::ip::make_address(host, ec); !ec) co_return std::vector{literal};

    const auto shared = answer_;
    shared->arrived.expires_at(until);
    shared->system.async_resolve(host, "", [shared](const error_code& why, const resolver::results_type& found) {
        shared->error = why;
        for (const auto& each : found) shared->addresses.push_back(each.endpoint().address());
        shared->arrived.cancel();
    });
    co_await shared->arrived.async_wait(asio::redirect_error(use_awaitable, ec));
    if (!shared->error) {
        co_return failure{"CONNECTION_FAILED", fmt::format("the addresses of {} were not found {}", host, shared->cancelled ? "before the attempt was stopped" : "in time")};
    }
    if (*shared->error) co_return failure{"CONNECTION_FAILED", fmt::format("the addresses of {} were not found: {}", host, shared->error->message())};
    co_return shared->addresses;
}

}
