#pragma once

#include "runtime/handlers/failure.hpp"
#include "runtime/handlers/handlers.hpp"
#include "runtime/handlers/http_pool.hpp"
#include "runtime/handlers/http_request.hpp"

#include <memory>

namespace rowlock::runtime {

// Calls other services, completion: reply (spec W2). One for each core, used on it.
class http_caller {
public:
    http_caller(io_executor executor, http_options options);

    // As handlers::perform.
    awaitable<outcome> call(attempt& a, const http_handler& handler);

    std::size_t idle_connections() const { return pool_.size(); }

private:
    awaitable<attempted<http_reply>> follow(attempt& a, const http_handler& handler, http_call call, deadline until);
    awaitable<attempted<http_reply>> ask(attempt& a, const http_handler& handler, const http_call& call, deadline until);
    awaitable<attempted<std::unique_ptr<http_connection>>> connected(attempt& a, const http_origin& origin, const url& to, deadline until);

    io_executor executor_;
    http_options options_;
    http_pool pool_;
};

}
