#pragma once

#include "runtime/handlers/attempt.hpp"
#include "runtime/handlers/callbacks.hpp"
#include "runtime/handlers/failure.hpp"

#include <memory>
#include <optional>

namespace rowlock::runtime {

// What the target of an attempt reports (completion: webhook), from open() on until it goes out of scope; each report is a sign of life. On the
// attempt's core; both references outlive it.
class http_webhook {
public:
    http_webhook(attempt& a, const callback_functions& callbacks);
    // Later reports are refused, unless the attempt goes on elsewhere.
    ~http_webhook();
    http_webhook(const http_webhook&) = delete;
    http_webhook& operator=(const http_webhook&) = delete;

    // Waits for the database, if need be, until the attempt is to stop. Fails with HANDLER_FAILED.
    awaitable<attempted<callback_address>> open();

    bool has_ended() const;
    // What was reported in the end; none once the attempt is to stop.
    awaitable<std::optional<outcome>> await_end();

private:
    struct reports;

    attempt& attempt_;
    const callback_functions& callbacks_;
    std::shared_ptr<reports> reports_;
    bool open_ = false;
};

}
