<?php
/*
 * hookd's bridge: asks hookd what the connector asks here, and returns its reply.
 *
 * One and the same file stands under the name of each point in the connector's customizer/actions. The connector
 * includes it with the request in $params and reads the array that it returns. Whatever goes wrong on the way (hookd is
 * down, slow, or answers nonsense), the connector gets its own values back, or what the action that stood here before
 * returns, if hookd/config.php says so; syslog has a line about it.
 *
 * Several actions may be included in one process: so nothing is declared here, and all but one variable live in a
 * function without a name. PHP 5.6 and newer. `hookd bridge install` puts it here and `hookd bridge remove` takes it
 * away; do not edit it, it will be overwritten.
 */
$hookd_reply = call_user_func(
    function ($params, $file) {
        $name = basename($file, '.php');
        $folder = dirname($file) . '/hookd';
        $reply_bytes_max = 4 * 1024 * 1024;

        // What keeps a call as it is, made from hookd's own table of points. `echo`: keys that are copied from the
        // request, `absent` where it has none; `under`: the names that the first of them may have; `data`: a constant.
        $points = array(
            // points: made by `python -m tests.test_bridge`
            'customize_activity' => array('data' => array()),
            'get_updated_activity_fields' => array('data' => array()),
            'customize_entity' => array('data' => array()),
            'get_updated_entity_fields' => array('data' => array()),
            'get_updated_lead_fields' => array('data' => array()),
            'need_registration' => array('data' => array('result' => true)),
            'process_client_phone' => array('echo' => array('phone')),
            'process_final_params' => array('echo' => array('ADD_TO_CHAT', 'CALL_ID', 'DURATION', 'STATUS_CODE', 'USER_ID')),
            'process_originate_params' => array('echo' => array('caller_id', 'channel', 'context', 'extension', 'priority', 'request_data')),
            'process_record_file_path' => array('echo' => array('path'), 'under' => array('path', 'record_file_path', 'file_path', 'record', 'file')),
            'process_registration_params' => array('echo' => array('CALL_START_DATE', 'CRM_CREATE', 'CRM_SOURCE', 'LINE_NUMBER', 'PHONE_NUMBER', 'SHOW', 'TYPE', 'USER_ID')),
            'process_task_creation_params' => array('echo' => array('fields')),
            'process_user_phone' => array('echo' => array('phone')),
            'customize_autodistribution' => array('echo' => array('number', 'name'), 'absent' => ''),
            'post_registration' => array(),
            'customize_show_call_card' => array('echo' => array('CALL_ID', 'USER_ID')),
            'customize_attach_record_url' => array('echo' => array('DESCRIPTION', 'DESCRIPTION_TYPE')),
            // end
        );

        $unchanged = function () use ($params, $name, $points) {
            $asked = is_array($params) ? $params : array();
            if (isset($asked['params']) && is_array($asked['params'])) {
                $asked = $asked['params'];
            }
            if (!isset($points[$name])) {
                $call = array('call_full' => 0, 'call_stage' => 0, 'call' => 0, 'conversation' => 0);
                return array('state' => 'success', 'data' => array_diff_key($asked, $call));
            }
            $point = $points[$name];
            if (isset($point['data'])) {
                return array('state' => 'success', 'data' => $point['data']);
            }
            if (!isset($point['echo'])) {
                return array('state' => 'success');
            }
            $keys = $point['echo'];
            foreach (isset($point['under']) ? array_reverse($point['under']) : array() as $key) {
                if (isset($asked[$key]) && is_string($asked[$key])) {
                    $keys = array($key);
                }
            }
            $data = array();
            foreach ($keys as $key) {
                if (array_key_exists($key, $asked)) {
                    $data[$key] = $asked[$key];
                } elseif (isset($point['absent'])) {
                    $data[$key] = $point['absent'];
                }
            }
            return array('state' => 'success', 'data' => $data);
        };

        // Both return the body of a reply with status 200, or throw.
        $ask_with_curl = function ($config, $headers, $body, $limit_s) use ($name, $reply_bytes_max) {
            $text = '';
            $curl = curl_init($config['url'] . $config['path'] . '/' . $name);
            $options = array(
                CURLOPT_POST => true,
                CURLOPT_POSTFIELDS => $body,
                CURLOPT_HTTPHEADER => array_merge($headers, array('Expect:')),
                CURLOPT_CONNECTTIMEOUT_MS => (int) (1000 * $config['connect_s']),
                CURLOPT_TIMEOUT_MS => (int) (1000 * $limit_s),
                CURLOPT_NOSIGNAL => true,
                CURLOPT_PROXY => '', // whatever the environment says: this is a question to a neighbour
                CURLOPT_FOLLOWLOCATION => false,
                CURLOPT_WRITEFUNCTION => function ($curl, $part) use (&$text, $reply_bytes_max) {
                    $text .= $part;
                    return strlen($text) > $reply_bytes_max ? 0 : strlen($part);
                },
            );
            if ($config['ca'] !== '') {
                $options[CURLOPT_CAINFO] = $config['ca'];
            }
            if (!curl_setopt_array($curl, $options) || curl_exec($curl) === false) {
                throw new RuntimeException(curl_error($curl));
            }
            $status = curl_getinfo($curl, CURLINFO_HTTP_CODE);
            if ($status !== 200) {
                throw new RuntimeException("HTTP status $status");
            }
            return $text;
        };

        $ask_with_streams = function ($config, $headers, $body, $limit_s) use ($name, $reply_bytes_max) {
            $ends = microtime(true) + $limit_s;
            $path = $config['path'] . '/' . $name;
            if (strncmp($config['url'], 'unix:', 5) === 0) {
                $host = 'localhost';
                $address = 'unix://' . substr($config['url'], 5);
            } else {
                $url = parse_url($config['url']);
                $is_tls = $url['scheme'] === 'https';
                $port = isset($url['port']) ? $url['port'] : ($is_tls ? 443 : 80);
                $host = $url['host'] . ':' . $port;
                $address = ($is_tls ? 'ssl://' : 'tcp://') . $host;
                $path = (isset($url['path']) ? rtrim($url['path'], '/') : '') . $path;
            }
            $tls = array('verify_peer' => true, 'verify_peer_name' => true);
            if ($config['ca'] !== '') {
                $tls['cafile'] = $config['ca'];
            }
            $context = stream_context_create(array('ssl' => $tls));
            $wait_s = min($config['connect_s'], $limit_s);
            $stream = stream_socket_client($address, $code, $error, $wait_s, STREAM_CLIENT_CONNECT, $context);
            if (!$stream) {
                throw new RuntimeException($error ? $error : "no connection to $address");
            }
            // HTTP/1.0: the reply comes in one piece, and ends with the connection.
            $head = "POST $path HTTP/1.0\r\nHost: $host\r\nConnection: close\r\nContent-Length: " . strlen($body);
            $unsent = $head . "\r\n" . implode("\r\n", $headers) . "\r\n\r\n" . $body;
            $text = '';
            while (strlen($text) <= $reply_bytes_max) {
                $left_us = (int) (1e6 * ($ends - microtime(true)));
                if ($left_us <= 0) {
                    throw new RuntimeException("no complete answer within $limit_s s");
                }
                $seconds = (int) ($left_us / 1000000);
                stream_set_timeout($stream, $seconds, $left_us % 1000000);
                if ($unsent !== '') {
                    // A blocking write of a little to a socket that has room never waits.
                    $readable = null;
                    $writable = array($stream);
                    $failed = null;
                    if (stream_select($readable, $writable, $failed, $seconds, $left_us % 1000000)) {
                        $sent = fwrite($stream, substr($unsent, 0, 4096));
                        $unsent = (string) substr($unsent, (int) $sent);
                        if (!$sent) {
                            throw new RuntimeException('the connection was closed before the request was out');
                        }
                    }
                    continue;
                }
                $part = fread($stream, 65536);
                $text .= $part;
                if (($part === '' || $part === false) && feof($stream)) {
                    break;
                }
            }
            fclose($stream);
            $parts = explode("\r\n\r\n", $text, 2);
            if (!preg_match('~^HTTP/1\.[01] (\d{3})\b~', $parts[0], $status) || count($parts) !== 2) {
                throw new RuntimeException('the answer is no HTTP');
            }
            if ($status[1] !== '200') {
                throw new RuntimeException('HTTP status ' . $status[1]);
            }
            $is_sized = preg_match('~\r\nContent-Length: *(\d+)~i', $parts[0], $length);
            if ($is_sized && strlen($parts[1]) !== (int) $length[1]) {
                throw new RuntimeException('the answer is not complete');
            }
            return $parts[1];
        };

        // Objects as arrays, as actions return them. PHP would write an empty one, and one with the keys 0, 1, 2, as a
        // list: those stay objects.
        $plain = function ($value) use (&$plain) {
            if (is_array($value)) {
                return array_map($plain, $value);
            }
            if (!is_object($value)) {
                return $value;
            }
            $found = array();
            foreach ($value as $key => $item) {
                $found[$key] = $plain($item);
            }
            return $found === array_values($found) ? (object) $found : $found;
        };

        $read_reply = function ($text) use ($name, $points, $plain) {
            $reply = json_decode($text, false, 512, JSON_BIGINT_AS_STRING);
            if (!is_object($reply) || !isset($reply->state) || $reply->state !== 'success') {
                throw new RuntimeException('the answer is no reply of hookd');
            }
            if (isset($points[$name]) && $points[$name] === array()) {
                return array('state' => 'success');
            }
            if (!isset($reply->data) || !is_object($reply->data)) {
                throw new RuntimeException('the reply has no data');
            }
            return array('state' => 'success', 'data' => (array) $plain($reply->data));
        };

        $why = '';
        $config = array();
        set_error_handler(
            function ($number, $message) use (&$why) {
                $why = $why === '' ? $message : $why;
                return true;
            }
        );
        try {
            $config = include $folder . '/config.php';
            if (!is_array($config)) {
                throw new RuntimeException("$folder/config.php cannot be read");
            }
            $has_zeros = PHP_INT_SIZE > 4 && defined('JSON_PRESERVE_ZERO_FRACTION');
            $flags = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE;
            $flags |= $has_zeros ? constant('JSON_PRESERVE_ZERO_FRACTION') : 0;
            $body = $params === array() ? '{}' : json_encode($params, $flags);
            if ($body === false) {
                throw new RuntimeException('the request cannot be written as JSON');
            }
            $headers = array('Content-Type: application/json');
            if ($config['token'] !== '') {
                $headers[] = 'Authorization: Bearer ' . $config['token'];
            }
            $has_curl = function_exists('curl_init') && strncmp($config['url'], 'unix:', 5) !== 0;
            $ask = $has_curl ? $ask_with_curl : $ask_with_streams;
            $limit_s = isset($config['limits'][$name]) ? $config['limits'][$name] : $config['limit_s'];
            $reply = $read_reply($ask($config, $headers, $body, $limit_s));
        } catch (Exception $error) {
            $reply = null;
            $why = $error->getMessage();
        } catch (Throwable $error) { // PHP 7 and newer; a name that PHP 5 never meets
            $reply = null;
            $why = $error->getMessage();
        }
        if ($reply === null) {
            syslog(LOG_WARNING, "hookd bridge: $name: not answered by hookd: $why");
            $old = $folder . '/old/' . basename($file);
            $is_old = isset($config['fallback']) && $config['fallback'] === 'old' && is_file($old);
            $reply = $is_old ? $old : $unchanged();
        }
        restore_error_handler();
        return $reply;
    },
    isset($params) ? $params : null,
    __FILE__
);
return is_string($hookd_reply) ? (include $hookd_reply) : $hookd_reply;
