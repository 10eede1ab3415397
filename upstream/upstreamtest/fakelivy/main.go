// Command fakelivy stands in for a Livy server where a test is about starting
// and stopping and not about Livy: it reads livy.conf as Livy does, answers
// GET /version, and misbehaves when asked.
//
//	GET /version       the version in FAKELIVY_VERSION, default 0.8.0-incubating
//	GET /conf/NAME     a file of LIVY_CONF_DIR
//	GET /env           the environment
//	GET /whoami        user id and the number of usable cores
//	GET /say?line=X    writes X to the log
//	GET /exit?code=N   ends at once
//	GET /eat           takes all memory that it gets
//	GET /spawn?how=H   starts a child that stays and answers with its pid; it is
//	                   in a group or session of its own, has an empty
//	                   environment, is deaf to TERM or takes all memory that it
//	                   gets (H: group, session, bare, deaf, hungry)
//	GET /dial?to=A     connects to a TCP address and reports the result
//	GET /read?file=F   reads a file and reports the result
//	anything else      what the double of Livy answers (livytest)
//
// Under the name tar it unpacks its input like tar -x -f - -C DIR, for images with nothing else.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/livygateway/livygateway/internal/livy/livytest"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "child" {
		if len(os.Args) > 2 && os.Args[2] == "deaf" {
			signal.Ignore(syscall.SIGTERM)
		}
		if len(os.Args) > 2 && os.Args[2] == "hungry" {
			time.Sleep(time.Second) // as a driver that begins small
			takeMemory()
		}
		time.Sleep(time.Hour)
		return
	}
	if filepath.Base(os.Args[0]) == "tar" {
		if err := extract(os.Stdin, os.Args[len(os.Args)-1]); err != nil {
			log.Fatalf("fakelivy: tar: %v", err)
		}
		return
	}
	conf, err := readConf()
	if err != nil {
		log.Fatalf("fakelivy: %v", err)
	}
	if conf["livy.fake.die"] != "" {
		log.Fatalf("fakelivy: livy.fake.die = %s", conf["livy.fake.die"])
	}
	if conf["livy.fake.mute"] != "" {
		log.Print("fakelivy: livy.fake.mute: saying nothing")
		time.Sleep(time.Hour)
	}
	if pause, err := time.ParseDuration(conf["livy.fake.pause"]); err == nil {
		log.Printf("fakelivy: livy.fake.pause: listening in %v", pause)
		time.Sleep(pause)
	}
	address := net.JoinHostPort(conf["livy.server.host"], conf["livy.server.port"])
	log.Printf("fakelivy: listening on %s", address)
	if conf["livy.fake.deaf"] != "" {
		signal.Ignore(syscall.SIGTERM)
	}
	log.Fatal(http.ListenAndServe(address, routes())) // a test program
}

// takeMemory takes memory until the kernel has no more for it.
func takeMemory() {
	var all [][]byte
	for {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		all = append(all, b)
		if len(all) > 1<<14 {
			log.Fatal("fakelivy: nothing bounds my memory")
		}
	}
}

func readConf() (map[string]string, error) {
	f, err := os.Open(filepath.Join(os.Getenv("LIVY_CONF_DIR"), "livy.conf"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	conf := map[string]string{}
	for s := bufio.NewScanner(f); s.Scan(); {
		if k, v, ok := strings.Cut(s.Text(), "="); ok {
			conf[strings.TrimSpace(k)] = strings.TrimSpace(v)
		}
	}
	return conf, nil
}

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", livytest.New())
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		version := os.Getenv("FAKELIVY_VERSION")
		if version == "" {
			version = "0.8.0-incubating"
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"version": version})
	})
	mux.HandleFunc("GET /conf/{name}", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join(os.Getenv("LIVY_CONF_DIR"), r.PathValue("name")))
	})
	mux.HandleFunc("GET /stat/{name...}", func(w http.ResponseWriter, r *http.Request) {
		info, err := os.Stat(r.PathValue("name")) // in the working directory, as jobs see it
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		owner, _ := info.Sys().(*syscall.Stat_t)
		text, _ := os.ReadFile(r.PathValue("name"))
		fmt.Fprintf(w, "%v mine=%v %s", info.Mode(), int(owner.Uid) == os.Getuid(), text)
	})
	mux.HandleFunc("GET /env", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, strings.Join(os.Environ(), "\n"))
	})
	mux.HandleFunc("GET /whoami", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "uid=%d cpus=%d", os.Getuid(), runtime.NumCPU())
	})
	mux.HandleFunc("GET /say", func(w http.ResponseWriter, r *http.Request) {
		log.Print(r.FormValue("line"))
	})
	mux.HandleFunc("GET /exit", func(_ http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.FormValue("code"))
		os.Exit(code)
	})
	mux.HandleFunc("GET /eat", func(http.ResponseWriter, *http.Request) { takeMemory() })
	mux.HandleFunc("GET /dial", func(w http.ResponseWriter, r *http.Request) {
		conn, err := net.DialTimeout("tcp", r.FormValue("to"), 5*time.Second)
		if err != nil {
			fmt.Fprint(w, err)
			return
		}
		_ = conn.Close()
		fmt.Fprint(w, "connected")
	})
	mux.HandleFunc("GET /read", func(w http.ResponseWriter, r *http.Request) {
		if _, err := os.ReadFile(r.FormValue("file")); err != nil {
			fmt.Fprint(w, err)
			return
		}
		fmt.Fprint(w, "read")
	})
	mux.HandleFunc("GET /spawn", func(w http.ResponseWriter, r *http.Request) {
		how := r.FormValue("how")
		cmd := exec.Command("/proc/self/exe", "child", how)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: how == "group", Setsid: how == "session"}
		if how == "bare" {
			cmd.Env = []string{}
		}
		if err := cmd.Start(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		go func() { _ = cmd.Wait() }()
		fmt.Fprint(w, cmd.Process.Pid)
	})
	return mux
}
