#pragma once

#include "runtime/handlers/attempt.hpp"
#include "runtime/handlers/callbacks.hpp"
#include "runtime/handlers/failure.hpp"
#include "runtime/handlers/http_message.hpp"
#include "runtime/handlers/url.hpp"

#include <optional>
#include <string>

namespace rowlock::runtime {

// A request on its way: where it goes now, and what it says.
struct http_call {
    url to;
    http_request request;
    bool definition_headers = true;                  // false once a redirect has led to another origin
};

// The request of an attempt: address, headers and body of the definition with their templates filled in, or the body of the
// contract. `deadline` is RFC 3339 or empty; `callback` is null but for a webhook, and then a template root too. Fails with INVALID_CONFIG. Pure.
attempted<http_call> make_call(const http_handler& handler, const assignment& work, const std::string& deadline, const std::optional<checkpoint_data>& checkpoint,
                               const callback_address* callback = nullptr);

// Whether the reply sends the caller elsewhere, and how it then asks: RFC 9110 §15.4. nullopt: the reply is the answer. Fails with
// PERMISSION_DENIED where it leads from https to http, INVALID_CONFIG where Location is no address. What the definition's
// headers hold (credentials, keys, cookies) is not told to another origin. Pure.
attempted<std::optional<http_call>> redirected(const http_call& from, const http_reply& reply, const http_handler& handler);

}
