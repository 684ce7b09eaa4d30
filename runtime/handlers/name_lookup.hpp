#pragma once

#include "runtime/async/types.hpp"
#include "runtime/handlers/failure.hpp"

#include <boost/asio/ip/address.hpp>
#include <memory>
#include <string>
#include <vector>

namespace rowlock::runtime {

// One look-up of a host's addresses. The system's resolver cannot be interrupted: when the time is up the caller goes on, and what the
// resolver says later is dropped. Used on one core.
class name_lookup {
public:
    explicit name_lookup(io_executor executor);

    // The addresses, at least one; an address in the text is itself. Fails with CONNECTION_FAILED. Called once.
    awaitable<attempted<std::vector<boost::asio::ip::address>>> find(std::string host, deadline until);
    // Ends find() with CONNECTION_FAILED.
    void cancel();

private:
    struct answer;
    std::shared_ptr<answer> answer_;
};

}
