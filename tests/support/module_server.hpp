#pragma once

#include "tests/support/stub_http.hpp"

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace rowlock::test {

// The modules of a data pipeline as ops/examples calls them, all on one port: Alpha ingests and is polled, Beta transforms and reports, Gamma
// delivers and is polled by the usual words, Epsilon warms a cache. Each job goes one step with every look at it.
class module_server {
public:
    module_server();

    std::string port() const { return server_.url().substr(server_.url().rfind(':') + 1); }
    // The requests to paths that begin so.
    std::vector<stub_request> requests(const std::string& method, const std::string& path) const;

    // How the next jobs go on. May be changed at any time.
    std::atomic<bool> alpha_fails{false};            // its source is not there
    std::atomic<bool> alpha_validates{true};
    std::atomic<int> gamma_busy{0};                  // so many looks are answered 429
    std::atomic<int> gamma_refusals{0};              // so many deliveries fail
    std::atomic<bool> gamma_stands_still{false};
    std::atomic<int> epsilon_status{200};

private:
    stub_reply answer(const stub_request& request);
    stub_reply alpha(const stub_request& request);
    stub_reply gamma(const stub_request& request);
    int step_of(const std::string& job);

    std::mutex mutex_;
    std::map<std::string, int> steps_;
    int made_ = 0;
    std::map<std::string, bool> cancelled_;
    stub_http server_;
};

}
